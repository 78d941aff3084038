"""Measures of outcomes as rows: each network's value, the difference of student and twin, and the transfer from the teacher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kdcore.results.bias import Observation, Outcome
from kdcore.results.bias.difference import Difference, compared, values
from kdcore.results.bias.estimate import Estimate
from kdcore.results.bias.measure import Measure
from kdcore.results.bias.measures import MEASURES
from kdcore.results.bias.transfer import Case, Read, Transfer, judged, read_case
from kdcore.results.comparison.holm import ALPHA
from kdcore.robustness.conditions import CLEAN, Condition
from kdcore.robustness.kept import first

ROLES = ("teacher", "student", "twin")
OF_A_CASE = ("student", "twin", "teacher")
ByCondition = Mapping[Condition, Mapping[str, Outcome]]  # condition -> network -> outcome


@dataclass(frozen=True)
class Row:
    """A measure under a condition.

    values: network -> its value with interval, or why it has none.
    difference: student - twin, or of the first two networks where there are not both.
    transfer: with a teacher, a student and a twin.
    """

    measure: Measure
    condition: Condition
    values: dict[str, Estimate]
    difference: Difference | None = None
    transfer: Transfer | None = field(default=None, repr=False)


def rows(
    outcomes: Mapping[str, Mapping[Condition, Outcome]],
    roles: Mapping[str, str] | None = None,
    titles: Mapping[Condition, str] | None = None,
    measures: Sequence[Measure] = MEASURES,
) -> list[Row]:
    """Every measure that a condition has, in the order of the conditions; only of conditions that every network has.

    Args:
        outcomes: network -> condition -> outcome.
        roles: `teacher`, `student`, `twin` -> network.
        titles: of the conditions, for sentences.
    """
    roles = dict(roles or {})
    table = by_condition(outcomes)
    found: list[Row] = []
    read: dict[int, Read] = {}  # place of a row -> what its transfer needs
    for condition in table:
        seen = _observations(table, condition, roles)
        title = "" if condition == CLEAN else (titles or {}).get(condition, str(condition))
        for measure in measures:
            if condition == CLEAN and "clean" in measure.needs:
                continue
            able = {
                name: each
                for name, each in seen.items()
                if not measure.lacks(each) and not _is_own(measure, name, roles)
            }
            if not able:
                continue
            if set(ROLES) <= roles.keys() and not measure.with_teacher and all(roles[role] in able for role in ROLES):
                read[len(found)] = read_case(Case(measure, title, *((able[roles[role]],) for role in OF_A_CASE)))
            found.append(_row(measure, condition, able, roles))
    for place, transfer in zip(read, judged(list(read.values())), strict=True):
        found[place] = replace(found[place], transfer=transfer)
    return found


def by_condition(outcomes: Mapping[str, Mapping[Condition, Outcome]]) -> dict[Condition, dict[str, Outcome]]:
    """The conditions that every network has, on the images that all of them have: condition -> network -> outcome."""
    if not outcomes:
        return {}
    one, *others = outcomes.values()
    found = {}
    for condition in one:
        if all(condition in other for other in others):
            count = min(each[condition].count for each in outcomes.values())
            found[condition] = {name: first(each[condition], count) for name, each in outcomes.items()}
    return found


def _observations(table: ByCondition, condition: Condition, roles: Mapping[str, str]) -> dict[str, Observation]:
    teacher = table[condition].get(roles.get("teacher", ""))
    return {
        name: Observation(outcome, _clean(table, condition, name), teacher)
        for name, outcome in table[condition].items()
    }


def _clean(table: ByCondition, condition: Condition, network: str) -> Outcome | None:
    """The network's outcome on the same images before they were perturbed, where these are known."""
    outcome, whole = table[condition][network], table.get(CLEAN, {}).get(network)
    if whole is None or whole.count < outcome.count:
        return None
    clean = first(whole, outcome.count)
    same = clean.classes == outcome.classes and np.array_equal(clean.targets, outcome.targets)
    return clean if same else None


def _is_own(measure: Measure, network: str, roles: Mapping[str, str]) -> bool:
    """Whether it would compare the teacher with itself."""
    return measure.with_teacher and network == roles.get("teacher")


def _row(measure: Measure, condition: Condition, seen: Mapping[str, Observation], roles: Mapping[str, str]) -> Row:
    estimates = {name: measure.value(each) for name, each in seen.items()}
    student, twin = roles.get("student"), roles.get("twin")
    names = (student, twin) if student and twin else tuple(seen)[:2]
    if len(names) < 2 or any(name not in estimates or not estimates[name].defined for name in names):
        return Row(measure, condition, estimates)
    sides = [values(measure, [seen[str(name)]]) for name in names]
    return Row(measure, condition, estimates, compared(*sides, share=measure.by == "share").at(ALPHA))
