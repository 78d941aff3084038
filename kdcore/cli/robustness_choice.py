"""The networks and test sets that the words of `robustness` name."""

from collections.abc import Sequence
from typing import Any, cast, get_args

from kdcore.errors import UserError, shortened
from kdcore.recipe.references import RUN
from kdcore.store import Store

ROLES = ("teacher", "student", "twin")


def expanded(networks: Sequence[str], runs: Store) -> list[str]:
    """References, of which `run:ID` is a run's teacher, student and twin as far as it has them. Raises UserError."""
    from kdcore.inspection import robustness as lab

    found: list[str] = []
    there = [network.reference for network in lab.networks(runs)]
    for reference in networks:
        whole = reference if reference.startswith(RUN) else f"{RUN}{reference}"
        of_run = [f"{whole}/{role}" for role in ROLES if f"{whole}/{role}" in there]
        found += of_run or [reference]
    return list(dict.fromkeys(found))


def roles_of(references: Sequence[str], runs: Store) -> dict[str, str]:
    """Teacher, student and twin among these networks, where exactly one family of them is complete; else none."""
    from kdcore.inspection import robustness as lab

    there = [
        family.roles
        for family in lab.families(runs)
        if set(ROLES) <= family.roles.keys() and set(family.roles.values()) <= set(references)
    ]
    return there[0] if len(there) == 1 else {}


def wanted(sets: Sequence[str], references: Sequence[str], runs: Store) -> tuple[list[str], Any]:
    """Conditions, and the evaluation whose number of images is the default. Raises UserError at an unknown name."""
    from kdcore.inspection import robustness as lab
    from kdcore.robustness import conditions

    evaluations = get_args(lab.Which)
    if len(sets) == 1 and (which := sets[0]) in evaluations:
        return lab.conditions(cast(lab.Which, which), references, runs), which
    if mixed := [each for each in sets if each in evaluations]:
        raise UserError(f"--sets has {shortened(mixed[0])} among names of sets: give it alone, or names alone.")
    return list(map(str, conditions.parse_all(sets))), "full"
