"""What a study shows: each network's measures with intervals, and what passes on, corrected for the number of claims."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from kdcore.data import perturbations
from kdcore.results.bias import Observation, Outcome, measures
from kdcore.results.bias.difference import Values, estimate, values
from kdcore.results.bias.estimate import Estimate, undefined
from kdcore.results.bias.measure import NO_WIDTH, Measure
from kdcore.results.bias.sentences import sentence, within
from kdcore.results.bias.transfer import Read, Transfer, judged, read
from kdcore.results.comparison.figure import LEAST_SEEDS
from kdcore.robustness import conditions
from kdcore.robustness.conditions import CLEAN, Condition
from kdcore.robustness.report.evaluating import KINDS, Evaluated, probing
from kdcore.robustness.report.networks import Direction, Method

INDEPENDENT, TEACHER = "independent", "teacher"
SHARED = -1  # in place of a seed, of a teacher that all seeds have
OWN = (measures.shape_bias, measures.accuracy)  # of sets with images of their own


@dataclass(frozen=True)
class Question:
    """One of the questions of a study: a measure over some conditions, and how it is asked."""

    name: str
    title: str
    measure: Measure
    conditions: tuple[Condition, ...]
    over: str  # the conditions, as a sentence has them


@dataclass(frozen=True)
class Claim:
    """What is shown of one question for one method in one direction."""

    direction: str
    method: str
    question: Question
    transfer: Transfer

    @property
    def sentence(self) -> str:
        return sentence(self.transfer)


@dataclass(frozen=True)
class Number:
    """A measure of the networks of one kind under one condition: mean over seeds, with its interval over seeds and images.

    network: `independent`, `teacher` or a method. by_seed: seed -> value; of a teacher that the seeds share that of seed -1.
    """

    direction: str
    network: str
    condition: Condition
    measure: Measure
    estimate: Estimate
    by_seed: dict[int, float]


@dataclass(frozen=True)
class Findings:
    """All that a report shows. between: direction -> error consistency of two independent students: mean, least, most."""

    evaluated: Evaluated
    questions: list[Question]
    claims: list[Claim]
    numbers: list[Number]
    between: dict[str, tuple[float, float, float]]

    def number(self, direction: str, network: str, condition: Condition, measure: Measure) -> Number | None:
        return self._by_place.get((direction, network, condition, measure.name))

    @cached_property
    def _by_place(self) -> dict[tuple[str, str, Condition, str], Number]:
        return {(each.direction, each.network, each.condition, each.measure.name): each for each in self.numbers}


def findings(evaluated: Evaluated) -> Findings:
    """Measures and claims from the outcomes of a study's networks, under the conditions that all of them have."""
    there = [each for each in evaluated.conditions if each not in evaluated.missing]
    asked = questions(there)
    claims: list[tuple[str, str, Question, Read]] = []
    numbers: list[Number] = []
    between = {}
    for direction in evaluated.directions:
        seen = Seen(evaluated, direction)
        numbers += _numbers(seen, there)
        for method in direction.methods:
            claims += [(direction.title, method.title, each, _read(seen, method, each)) for each in asked]
        if kappas := _between(seen):
            between[direction.title] = float(np.mean(kappas)), min(kappas), max(kappas)
    shown = judged([each[-1] for each in claims])
    found = [Claim(*each[:-1], transfer) for each, transfer in zip(claims, shown, strict=True)]
    return Findings(evaluated, asked, found, numbers, between)


def questions(there: Sequence[Condition]) -> list[Question]:
    """The questions that these conditions can answer."""
    made_of_these = [each for kind in KINDS for each in probing(there, kind)]
    localized = [each for each in there if each.set_name == "localized_noise"]
    wanted = [
        ("accuracy", "Accuracy on clean images", measures.accuracy, [CLEAN]),
        ("errors", "Errors on the same images as the teacher", measures.error_consistency, [CLEAN]),
        ("shape_bias", "Shape bias", measures.shape_bias, probing(there, "cue conflict")),
        ("texture", "Recognition without the texture", measures.relative_accuracy, probing(there, "texture")),
        ("locality", "Recognition beside a noisy box", measures.relative_accuracy, localized),
        ("permutation", "Same class for scrambled patches", measures.consistency, probing(there, "structure")),
        ("corruptions", "Robustness to corruptions", measures.relative_accuracy, probing(there, "corruption")),
        ("calibration", "Calibration error", measures.calibration, [CLEAN, *made_of_these]),
    ]
    return [
        Question(name, title, measure, tuple(chosen), _over(chosen))
        for name, title, measure, chosen in wanted
        if chosen
    ]


def _over(chosen: Sequence[Condition]) -> str:
    if list(chosen) == [CLEAN]:
        return ""
    names = [within(conditions.title(each)) for each in chosen]
    if len(names) > 3:
        kinds = {"" if each.is_clean else perturbations.get(each.set_name).probes for each in chosen}
        return f"{len(names)} {'corruptions' if kinds == {'corruption'} else 'test sets'}"
    return " and ".join(names)


class Seen:
    """What the measures read of the networks of one direction."""

    def __init__(self, evaluated: Evaluated, direction: Direction) -> None:
        self.direction, self._outcomes = direction, evaluated.outcomes

    def observation(self, reference: str, condition: Condition, seed: int) -> Observation:
        """seed: whose teacher the network is compared with."""
        # copies, so that what they cache is freed: a large study has thousands of outcomes
        outcome, clean = replace(self._outcomes[reference][condition]), self._outcomes[reference].get(CLEAN)
        teacher = replace(self._outcomes[self.direction.teachers[seed]][condition])
        same = clean is not None and _same_images(outcome, clean)
        return Observation(outcome, replace(clean) if clean is not None and same else None, teacher)

    def taught_in(self, seed: int) -> int:
        """A seed, of a teacher that the seeds share any."""
        return next(iter(self.direction.teachers)) if seed == SHARED else seed

    def networks(self) -> Iterator[tuple[str, dict[int, str]]]:
        """Each kind of network, with its references by seed."""
        yield INDEPENDENT, self.direction.independent
        for method in self.direction.methods:
            yield method.title, method.students
        teachers = self.direction.teachers
        yield TEACHER, teachers if self.direction.own_teachers else {SHARED: next(iter(teachers.values()))}


def _same_images(outcome: Outcome, clean: Outcome) -> bool:
    return outcome.classes == clean.classes and np.array_equal(outcome.targets, clean.targets)


def _numbers(seen: Seen, there: Sequence[Condition]) -> list[Number]:
    found = []
    for network, references in seen.networks():
        for condition in there:
            observed = [seen.observation(each, condition, seen.taught_in(seed)) for seed, each in references.items()]
            for measure in measures.MEASURES:
                if (condition.is_clean and "clean" in measure.needs) or (network == TEACHER and measure.with_teacher):
                    continue
                if any(measure.lacks(each) for each in observed):
                    continue
                estimated, each_value = figure(measure, observed)
                by_seed = dict(zip(references, each_value, strict=False))
                found.append(Number(seen.direction.title, network, condition, measure, estimated, by_seed))
    return found


def figure(measure: Measure, observed: Sequence[Observation]) -> tuple[Estimate, list[float]]:
    """A measure's mean over seeds with its interval over seeds and images, and its value for each seed.

    Without an interval where it would have no width, and where there are two or more seeds but fewer than `LEAST_SEEDS`.
    """
    if len(observed) == 1:
        found = measure.value(observed[0])
        return found, [found.mean]
    own = values(measure, observed)
    if own.why:
        return undefined(own.why), []
    n, by_seed = own.each.shape[1], [float(row.mean()) for row in own.each]
    found = Estimate(own.mean, images=n, of=n)
    if len(by_seed) < LEAST_SEEDS or own.few:
        return found, by_seed
    low, high = estimate(own.each).interval()
    low -= own.upward
    low, high = max(low, measure.least), min(high, measure.most)
    return (replace(found, low=low, high=high) if high - low > NO_WIDTH else found), by_seed


def _read(seen: Seen, method: Method, question: Question) -> Read:
    """One question of one method: the mean over the question's conditions, image by image."""
    networks = {"student": method.students, "twin": method.independent}
    found: dict[str, Values] = {}
    for who in ("student", "twin", "teacher"):
        references = networks.get(who, seen.direction.teachers)
        found[who] = mean_values(
            [
                values(question.measure, [seen.observation(references[seed], condition, seed) for seed in method.seeds])
                for condition in question.conditions
            ]
        )
    return read(question.measure, question.over, found["student"], found["twin"], found["teacher"])


def mean_values(rows: Sequence[Values]) -> Values:
    """The mean over several conditions, image by image."""
    nothing = np.empty((0, 0))
    if why := next((row.why for row in rows if row.why), ""):
        return Values(nothing, why)
    if len({row.each.shape for row in rows}) > 1:
        return Values(nothing, "the test sets have different numbers of images")
    few = next((row.few for row in rows if row.few), "")
    return Values(
        np.mean([row.each for row in rows], axis=0), few=few, upward=float(np.mean([row.upward for row in rows]))
    )


def _between(seen: Seen) -> list[float]:
    """Error consistency on clean images of each pair of independent students."""
    observed = [seen.observation(reference, CLEAN, seed) for seed, reference in seen.direction.independent.items()]
    found = [measures.between_seeds(*pair).mean for pair in itertools.combinations(observed, 2)]
    return [each for each in found if math.isfinite(each)]
