"""Findings of the teacher check as plain data: verdict, sentence, remedies. Loads without torch."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warn", "stop"]
LEAST_SEEN = 0.005  # a smaller share of images that the teacher was trained on is not mentioned
SEVERITY: tuple[Verdict, ...] = ("ok", "warn", "stop")


@dataclass(frozen=True)
class Remedy:
    """How to fix something. `changes` are settings for `recipe.with_overrides`; empty where only a person can choose."""

    title: str
    changes: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        """With its settings as a recipe has them: `Fine-tune it (teacher.finetune: {epochs: 3})`."""
        settings = [": ".join(change.split("=", 1)) for change in self.changes]
        return f"{self.title} ({', '.join(settings)})" if settings else self.title


@dataclass(frozen=True)
class Finding:
    """The result of one criterion.

    check: its name, such as `accuracy`.
    final: a stop that `teacher.accept` cannot lift, since the run could not be computed.
    """

    check: str
    verdict: Verdict
    finding: str
    remedies: tuple[Remedy, ...] = ()
    final: bool = False

    @property
    def remedy(self) -> str:
        """The remedies as one sentence; empty where there is none."""
        sentences = [remedy.in_words for remedy in self.remedies]
        if not sentences:
            return ""
        first, *others = sentences
        return f"{'; or '.join([first, *(other[0].lower() + other[1:] for other in others)])}."

    @property
    def in_words(self) -> str:
        return f"{self.finding} {self.remedy}".strip()


@dataclass(frozen=True)
class TeacherCheck:
    """All findings about a teacher.

    figures: its `metrics.classification` on the images, and what `criteria.measured` adds to them.
    images: how many images it was checked on.
    """

    findings: tuple[Finding, ...]
    figures: dict[str, float]
    images: int = 0
    seconds: float = 0.0

    @property
    def verdict(self) -> Verdict:
        return max((finding.verdict for finding in self.findings), key=SEVERITY.index, default="ok")

    @property
    def stops(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict == "stop")
