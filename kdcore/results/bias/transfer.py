"""Transfer: where between the independent student (0) and the teacher (1) the distilled student stands on a measure.

    t = (student - twin) / (teacher - twin)

Its interval is Fieller's, at the level at which the differences are tested: all three are corrected for the number of cases.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from kdcore.results.bias.difference import Compared, Difference, Values, compared, values
from kdcore.results.bias.estimate import Estimate, undefined
from kdcore.results.bias.fieller import Way, way
from kdcore.results.bias.measure import Measure
from kdcore.results.bias.measures import MEASURES
from kdcore.results.bias.outcome import Observation, Outcome
from kdcore.results.comparison.holm import levels

CLEAN = "clean"  # the condition of the unperturbed images
Kind = Literal["passes on", "moves away", "not shown", "no gap", "refused"]


@dataclass(frozen=True)
class Case:
    """A measure under a condition, of a run or of several that differ in their seed alone.

    condition: the test set's title, as a sentence has it; empty for clean images.
    student, twin, teacher: an observation for each seed. The teacher may be the same in all.
    """

    measure: Measure
    condition: str
    student: tuple[Observation, ...]
    twin: tuple[Observation, ...]
    teacher: tuple[Observation, ...]


@dataclass(frozen=True)
class Transfer:
    """What is shown of one case.

    kind: passes on (student and teacher differ from the twin in the same direction), moves away (in opposite ones), not shown,
        no gap (teacher and twin do not differ), or refused, with `why`.
    student, twin, teacher: the measure, mean over seeds; NaN where it is undefined.
    share: t, undefined where teacher and twin are not shown to differ.
    change: student - twin. gap: teacher - twin. The intervals of all three are corrected for the number of cases.
    over_distilled: whether the student inherits a weakness: the teacher is worse than the twin, and the student moves towards it.
    """

    measure: Measure
    condition: str
    kind: Kind
    why: str
    student: float
    twin: float
    teacher: float
    share: Estimate
    change: Difference
    gap: Difference
    seeds: int
    images: int
    over_distilled: bool = False


def cases(
    runs: Sequence[Mapping[str, Mapping[str, Outcome]]],
    titles: Mapping[str, str],
    measures: Sequence[Measure] = MEASURES,
) -> list[Case]:
    """Each measure under each condition in which it can be had of student, twin and teacher.

    Args:
        runs: condition -> network (`student`, `twin`, `teacher`) -> outcome, of each seed. `clean` is the unperturbed images.
        titles: condition -> its title in a sentence; those without one are left out.
    """
    shared = [
        name for name in titles if all({"student", "twin", "teacher"} <= run.get(name, {}).keys() for run in runs)
    ]
    found = []
    for name in shared:
        observed = [observations(run, name) for run in runs]
        networks = {who: tuple(run[who] for run in observed) for who in ("student", "twin", "teacher")}
        for measure in measures:
            if name == CLEAN and "clean" in measure.needs:
                continue
            if not any(measure.lacks(seen) for own in networks.values() for seen in own):
                found.append(Case(measure, titles[name], **networks))
    return found


def observations(run: Mapping[str, Mapping[str, Outcome]], condition: str) -> dict[str, Observation]:
    """What a measure reads of each network under a condition: with the outcome on clean images, if these are the same images."""
    outcomes = run[condition]
    teacher = outcomes.get("teacher")

    def clean(network: str, outcome: Outcome) -> Outcome | None:
        other = run.get(CLEAN, {}).get(network)
        return other if other is not None and np.array_equal(other.targets, outcome.targets) else None

    return {name: Observation(outcome, clean(name, outcome), teacher) for name, outcome in outcomes.items()}


def transfers(together: Sequence[Case], *, refusal: str = "", planned: int = 0) -> list[Transfer]:
    """What is shown of each of several cases that are made together, corrected by Holm's procedure.

    Args:
        refusal: why nothing may be claimed of these runs at all, such as settings that a user changed.
        planned: how many cases there will be, where some cannot be made yet.
    """
    return judged([read_case(case) for case in together], refusal=refusal, planned=planned)


@dataclass(frozen=True)
class Read:
    """A case as numbers.

    student, twin, teacher: the measure, mean over seeds. change: student - twin. gap: teacher - twin. share: what the interval of t
        follows from, at any level; or an estimate without a value, which says why there is none.
    why: why nothing may be claimed of it; empty where something may be.
    """

    measure: Measure
    condition: str
    student: float
    twin: float
    teacher: float
    change: Compared
    gap: Compared
    share: Way | Estimate
    seeds: int = 1
    images: int = 0
    why: str = ""

    @property
    def p(self) -> float | None:
        """The larger p-value of the two differences, since a claim needs both."""
        ps = self.change.p, self.gap.p
        return None if self.why or ps[0] is None or ps[1] is None else max(ps[0], ps[1])

    def claims(self, alpha: float) -> bool:
        return bool(self.change.at(alpha).sign and self.gap.at(alpha).sign)


def judged(read: Sequence[Read], *, refusal: str = "", planned: int = 0) -> list[Transfer]:
    """What is shown of each of several cases that are made together; arguments as in `transfers`."""
    if refusal:
        read = [replace(each, why=refusal) for each in read]
    alphas = levels([each.p for each in read], lambda place, alpha: read[place].claims(alpha), planned)
    return [_shown(each, alpha) for each, alpha in zip(read, alphas, strict=True)]


def read_case(case: Case) -> Read:
    """A case as numbers, after which its outcomes need not be held."""
    student, twin, teacher = (values(case.measure, seeds) for seeds in (case.student, case.twin, case.teacher))
    return read(case.measure, case.condition, student, twin, teacher, _repeated(case))


def read(measure: Measure, condition: str, student: Values, twin: Values, teacher: Values, why: str = "") -> Read:
    """A case from the values of its networks. They may be means over several conditions, image by image.

    Args:
        condition: as of a `Case`. why: why nothing may be claimed of it.
    """
    named = {"student": student, "twin": twin, "teacher": teacher}
    why = next((f"of the {name}, {own.why}" for name, own in named.items() if own.why), why)
    means = student.mean, twin.mean, teacher.mean
    if not all(own.each.size for own in named.values()):
        lost = Compared(math.nan, why=why)
        return Read(measure, condition, *means, lost, lost, undefined(why), why=why)
    share = measure.by == "share" and all(bool(np.isin(own.each, (0, 1)).all()) for own in named.values())
    change, gap = compared(student, twin, share=share), compared(teacher, twin, share=share)
    seeds, images = student.each.shape
    place = undefined(f"of teacher and twin, {gap.why}") if gap.why else way(student, twin, teacher)
    return Read(measure, condition, *means, change, gap, place, seeds, images, why)


def _repeated(case: Case) -> str:
    """Why several seeds are no repetitions; empty where they are."""
    for place, seen in enumerate(case.student):
        for other in case.student[:place]:
            if np.array_equal(seen.outcome.log_probabilities, other.outcome.log_probabilities):
                return "two seeds gave identical results"
    return ""


def _shown(read: Read, alpha: float) -> Transfer:
    change, gap = (Compared(each.mean, why=read.why) if read.why else each for each in (read.change, read.gap))
    kind, why = _kind(change.at(alpha), gap.at(alpha), read.why)
    shown = gap.at(alpha)
    inherited = kind == "passes on" and shown.sign == {"higher": -1, "lower": 1}.get(read.measure.better)
    return Transfer(
        measure=read.measure,
        condition=read.condition,
        kind=kind,
        why=why,
        student=read.student,
        twin=read.twin,
        teacher=read.teacher,
        share=undefined(read.why) if read.why else _share(read, shown),
        change=change.at(alpha),
        gap=shown,
        seeds=read.seeds,
        images=read.images,
        over_distilled=inherited,
    )


def _kind(change: Difference, gap: Difference, why: str) -> tuple[Kind, str]:
    if why or gap.why:
        return "refused", why or f"of teacher and twin, {gap.why}"
    if not gap.sign:
        return "no gap", "teacher and twin are not shown to differ"
    if change.why:
        return "refused", f"of student and twin, {change.why}"
    if not change.sign:
        return "not shown", "student and twin are not shown to differ"
    return ("passes on" if change.sign == gap.sign else "moves away"), ""


def _share(read: Read, gap: Difference) -> Estimate:
    """t with its interval, at the level of the differences."""
    if isinstance(read.share, Estimate):
        return read.share
    if not gap.sign:
        return undefined("teacher and twin are not shown to differ, so there is nothing between them")
    low, high = read.share.interval(gap.alpha)
    if not (math.isfinite(low) and math.isfinite(high)):
        return undefined("teacher and twin differ too little to place the student between them")
    return Estimate(read.share.share, low, high, images=read.images, of=read.images)
