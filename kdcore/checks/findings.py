"""What an examination finds, as plain data: a page and the command line draw it, the runner obeys it."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warn", "stop"]
SEVERITY: tuple[Verdict, ...] = ("ok", "warn", "stop")


@dataclass(frozen=True)
class Remedy:
    """A way out. `changes` are settings as `recipe.with_overrides` takes them; empty where only a person can choose."""

    title: str
    changes: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        """With its settings as a recipe has them: `Fine-tune it (teacher.finetune: {epochs: 3})`."""
        settings = [": ".join(change.split("=", 1)) for change in self.changes]
        return f"{self.title} ({', '.join(settings)})" if settings else self.title


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

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
        """The ways out as a sentence; empty where none is needed."""
        said = [remedy.in_words for remedy in self.remedies]
        return f"{'; or '.join([said[0], *(text[0].lower() + text[1:] for text in said[1:])])}." if said else ""

    @property
    def in_words(self) -> str:
        return f"{self.finding} {self.remedy}".strip()


@dataclass(frozen=True)
class Examination:
    """All findings about a teacher, and the figures behind them: its `metrics.classification` on the images that were shown
    to it, and what `doctor` makes of them."""

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
