"""Transfer: where between the independent student (0) and the teacher (1) the distilled student stands on a measure.

    t = (student - twin) / (teacher - twin)

Its interval is Fieller's (1954): the t at which student - (1 - t) twin - t teacher does not differ from 0, with the crossed
variance of seeds and images. docs/reliability.md has its coverage, and that of a bootstrap over seeds and images.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import brentq

from kdcore.results.bias.difference import Compared, Difference, compared, estimate, values
from kdcore.results.bias.estimate import Estimate, undefined
from kdcore.results.bias.measure import Measure
from kdcore.results.bias.measures import MEASURES
from kdcore.results.bias.outcome import Observation, Outcome
from kdcore.results.comparison.crossed import Crossed
from kdcore.results.comparison.holm import ALPHA, levels

CLEAN = "clean"  # the condition of the unperturbed images
FARTHEST = 1e4  # t beyond which an interval counts as endless
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
    share: t with its 95 % interval, undefined where teacher and twin do not differ.
    change: student - twin. gap: teacher - twin. Their intervals are corrected for the number of cases.
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

    A case claims that student and teacher both differ from the twin, so its p-value is the larger of the two.

    Args:
        refusal: why nothing may be claimed of these runs at all, such as settings that a user changed.
        planned: how many cases there will be, where some cannot be made yet.
    """
    read = [_Read.of(case, refusal) for case in together]
    alphas = levels([each.p for each in read], lambda place, alpha: read[place].claims(alpha), planned)
    return [_shown(each, alpha) for each, alpha in zip(read, alphas, strict=True)]


@dataclass(frozen=True)
class _Read:
    """A case as numbers: the values of each network, [S, n], and both differences to the twin."""

    case: Case
    networks: tuple[np.ndarray, np.ndarray, np.ndarray]  # student, twin, teacher
    change: Compared
    gap: Compared
    why: str

    @classmethod
    def of(cls, case: Case, refusal: str) -> "_Read":
        found, why = [], refusal
        for name in ("student", "twin", "teacher"):
            own, reason = values(case.measure, getattr(case, name))
            found.append(own)
            why = why or (f"of the {name}, {reason}" if reason else "")
        student, twin, teacher = found
        if not (student.size and twin.size and teacher.size):
            lost = Compared(math.nan, why=why)
            return cls(case, (student, twin, teacher), lost, lost, why)
        share = case.measure.by == "share"
        change, gap = compared(student, twin, share=share), compared(teacher, twin, share=share)
        why = why or _repeated(case)
        if why:
            change, gap = Compared(change.mean, why=why), Compared(gap.mean, why=why)
        return cls(case, (student, twin, teacher), change, gap, why)

    @property
    def p(self) -> float | None:
        ps = self.change.p, self.gap.p
        return None if ps[0] is None or ps[1] is None else max(ps[0], ps[1])

    def claims(self, alpha: float) -> bool:
        return bool(self.change.at(alpha).sign and self.gap.at(alpha).sign)


def _repeated(case: Case) -> str:
    """Why several seeds are no repetitions; empty where they are."""
    for place, seen in enumerate(case.student):
        for other in case.student[:place]:
            if np.array_equal(seen.outcome.log_probabilities, other.outcome.log_probabilities):
                return "two seeds gave identical results"
    return ""


def _shown(read: _Read, alpha: float) -> Transfer:
    case, change, gap = read.case, read.change.at(alpha), read.gap.at(alpha)
    kind, why = _kind(change, gap, read.why)
    of_student, of_twin, of_teacher = (float(own.mean()) if own.size else math.nan for own in read.networks)
    inherited = kind == "passes on" and gap.sign == {"higher": -1, "lower": 1}.get(case.measure.better)
    seeds, images = read.networks[0].shape
    return Transfer(
        measure=case.measure,
        condition=case.condition,
        kind=kind,
        why=why,
        student=of_student,
        twin=of_twin,
        teacher=of_teacher,
        share=_share(read),
        change=change,
        gap=gap,
        seeds=seeds,
        images=images,
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


def _share(read: _Read) -> Estimate:
    """t with its 95 % interval."""
    if read.why or read.gap.why:
        return undefined(read.why or f"of teacher and twin, {read.gap.why}")
    gap = read.gap.at(ALPHA)
    if not gap.sign:
        return undefined("teacher and twin are not shown to differ, so there is nothing between them")
    student, twin, teacher = read.networks
    low, high = fieller(student, twin, teacher)
    if not (math.isfinite(low) and math.isfinite(high)):
        return undefined("teacher and twin differ too little to place the student between them")
    return Estimate(read.change.mean / read.gap.mean, low, high, images=student.shape[1], of=student.shape[1])


def fieller(student: np.ndarray, twin: np.ndarray, teacher: np.ndarray, alpha: float = ALPHA) -> tuple[float, float]:
    """The interval of t = (student - twin) / (teacher - twin) from values [S, n]; infinite ends where it is endless.

    Args:
        student, twin, teacher: each seed's value of each image, whose means are the measure.
    """
    change, gap = student - twin, teacher - twin
    middle = float(change.mean() / gap.mean())

    def excess(t: float) -> float:
        """How far a supposed t is beyond what the data allow, in standard errors; at most 0 within the interval."""
        found = estimate(change - t * gap)
        assert isinstance(found, Crossed)
        spread = math.sqrt(max(found.variance, 0.0))
        if not spread:
            return -1.0 if abs(found.mean) < 1e-12 else 1.0
        return abs(found.mean) / spread - found.critical(alpha / 2)

    return _end(excess, middle, -1), _end(excess, middle, 1)


def _end(excess: Callable[[float], float], middle: float, direction: int) -> float:
    """Where `excess` passes 0, from `middle` in a direction; infinite where it does not."""
    inside, step = middle, 0.05
    while step < FARTHEST:
        outside = middle + direction * step
        if excess(outside) > 0:
            return float(brentq(excess, inside, outside, xtol=1e-6)) if excess(inside) < 0 else inside
        inside, step = outside, 2 * step
    return direction * math.inf
