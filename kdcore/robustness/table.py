"""Measures of outcomes as rows: each network's value, the difference of student and twin, and the transfer from the teacher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kdcore.results.bias import Observation, Outcome
from kdcore.results.bias.difference import Difference, compared, values
from kdcore.results.bias.estimate import Estimate
from kdcore.results.bias.measure import Measure
from kdcore.results.bias.measures import MEASURES
from kdcore.results.bias.transfer import Case, Transfer, transfers
from kdcore.results.comparison.holm import ALPHA
from kdcore.robustness.conditions import CLEAN, Condition
from kdcore.robustness.kept import first

ROLES = ("teacher", "student", "twin")
ByCondition = Mapping[Condition, Mapping[str, Outcome]]  # condition -> network -> outcome


@dataclass(frozen=True)
class Row:
    """A measure under a condition.

    values: network -> its value with interval, or why it has none.
    difference: student - twin, or of the first two networks where no roles are given.
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
    for condition in table:
        seen = _observations(table, condition, roles)
        for measure in measures:
            if condition == CLEAN and "clean" in measure.needs:
                continue
            able = {
                name: each
                for name, each in seen.items()
                if not measure.lacks(each) and not _is_own(measure, name, roles)
            }
            if able:
                found.append(_row(measure, condition, able, roles))
    return _with_transfers(found, table, roles, titles or {})


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
    sides = [values(measure, [seen[str(name)]])[0] for name in names]
    return Row(measure, condition, estimates, compared(*sides, share=measure.by == "share").at(ALPHA))


def _with_transfers(
    found: list[Row], table: ByCondition, roles: Mapping[str, str], titles: Mapping[Condition, str]
) -> list[Row]:
    """The same rows with their transfers, which are corrected for how many they are."""
    if not set(ROLES) <= roles.keys():
        return found
    places, cases = [], []
    for place, row in enumerate(found):
        seen = _observations(table, row.condition, roles)
        if not row.measure.with_teacher and all(roles[role] in row.values for role in ROLES):
            student, twin, teacher = ((seen[roles[role]],) for role in ("student", "twin", "teacher"))
            title = "" if row.condition == CLEAN else titles.get(row.condition, str(row.condition))
            places.append(place)
            cases.append(Case(row.measure, title, student, twin, teacher))
    for place, transfer in zip(places, transfers(cases), strict=True):
        row = found[place]
        found[place] = Row(row.measure, row.condition, row.values, row.difference, transfer)
    return found
