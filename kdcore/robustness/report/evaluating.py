"""Evaluates the networks of a study on its test sets; what is there already is not computed again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from kdcore.data import perturbations
from kdcore.errors import UserError
from kdcore.recipe.study import TestSets
from kdcore.robustness import conditions
from kdcore.robustness.assessment import Outcomes, Progress
from kdcore.robustness.conditions import CLEAN, Condition
from kdcore.robustness.evaluation import Evaluation, evaluation
from kdcore.robustness.evaluation import evaluate as steps
from kdcore.robustness.report.networks import Direction, directions, only
from kdcore.store import StudyState
from kdcore.store.runs import Store

KINDS = (
    "cue conflict",
    "texture",
    "shape",
    "structure",
    "frequency",
    "noise",
    "corruption",
)  # in the order of a report


@dataclass
class Evaluated:
    """The networks of a study with their outcomes.

    state: the study; None for networks that are compared without one.
    images: test images of each outcome, except of sets with images of their own.
    outcomes: reference -> condition -> outcome, of the conditions that all networks have.
    refused: sets that could not be made -> why.
    """

    state: StudyState | None
    directions: list[Direction]
    conditions: list[Condition]
    images: int
    refused: dict[str, str]
    outcomes: Outcomes = field(repr=False, default_factory=dict)

    @property
    def missing(self) -> list[Condition]:
        """The conditions that at least one network lacks."""
        return [each for each in self.conditions if any(each not in found for found in self.outcomes.values())]


def evaluate(
    state: StudyState, store: Store, wanted: TestSets | None = None, *, device: torch.device | str = "cpu"
) -> Iterator[Progress | Evaluated]:
    """Yields the progress after every batch, and at the end the study with its outcomes. Take no further step to cancel.

    Args:
        wanted: by default the study's own test sets, else every set at its usual strength.

    Raises:
        UserError: there is nothing to compare, the images are not on this machine, or an unknown test set.
    """
    found, prepared = prepare(state, store, wanted, device=device)
    yield from steps(prepared, found.conditions)
    found.outcomes = prepared.outcomes
    yield found


def kept(state: StudyState, store: Store, wanted: TestSets | None = None) -> Evaluated:
    """The study with what has been computed so far, without networks of which there is nothing; arguments and errors as in
    `evaluate`."""
    found, prepared = prepare(state, store, wanted)
    for condition in found.conditions:
        prepared.read(condition)
    there = {reference: outcomes for reference, outcomes in prepared.outcomes.items() if CLEAN in outcomes}
    found.directions = only(found.directions, there)
    found.outcomes = {reference: there[reference] for each in found.directions for reference in each.references}
    return found


def prepare(
    state: StudyState, store: Store, wanted: TestSets | None = None, *, device: torch.device | str = "cpu"
) -> tuple[Evaluated, Evaluation]:
    """The study's networks and conditions, and their evaluation; nothing is computed."""
    wanted = wanted or state.study.test_sets or TestSets()
    compared = directions(state)
    references = list(dict.fromkeys(reference for each in compared for reference in each.references))
    prepared = evaluation(references, store, images=wanted.images, device=device)
    chosen = chosen_conditions(wanted)
    refused = conditions.refused(chosen, prepared.sample.split)
    possible = [each for each in chosen if each.set_name not in refused]
    return Evaluated(state, compared, possible, prepared.count, refused), prepared


def chosen_conditions(wanted: TestSets) -> list[Condition]:
    """The conditions of a study, the clean images first. Raises UserError: there is no such set."""
    if not isinstance(wanted.sets, str):
        return conditions.parse_all(wanted.sets)
    found = conditions.of(wanted.sets)
    if wanted.sets == "usual":
        found[1:] = sorted(found[1:], key=lambda each: KINDS.index(perturbations.get(each.set_name).probes))
    return found


def titled_set(name: str) -> str:
    return perturbations.get(name).title


def probing(chosen: Sequence[Condition], probes: str) -> list[Condition]:
    """The conditions whose sets probe something, on the split's own images."""
    return [
        each for each in chosen if not each.is_clean
        and perturbations.get(each.set_name).probes == probes and not perturbations.get(each.set_name).own_images
    ]  # fmt: skip


def refuse_unknown(wanted: TestSets | None) -> None:
    """Raises UserError at an unknown test set or strength, before a study's runs start."""
    if wanted is not None and not isinstance(wanted.sets, str):
        chosen = conditions.parse_all(wanted.sets)
        if twice := sorted({str(each) for each in chosen if chosen.count(each) > 1}):
            raise UserError(f"`test_sets.sets` names {twice[0]} twice: name it once.")
