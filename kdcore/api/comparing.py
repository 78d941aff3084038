"""What may be claimed of runs: of student and twin, or of the students of two recipes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kdcore.api.runs import Run
from kdcore.errors import UserError, shortened
from kdcore.results.comparison import Compared, Conclusion, Summary, claim, conclude, sentence, summarise, with_student


@dataclass(frozen=True)
class Comparison:
    """What runs show together; printed, it is the sentence that may be claimed.

    summary: each network's figures with intervals, as fractions, and student - twin.
    difference: the conclusion on student - twin, or on student - the other runs' student; None where there is none.
    """

    summary: Summary
    difference: Conclusion | None
    words: str = field(repr=False)

    def __str__(self) -> str:
        return self.words


def compare(runs: Run | Sequence[Run], against: Run | Sequence[Run] | None = None) -> Comparison:
    """What may be claimed of student and twin, or of the students of two recipes.

    Args:
        runs: one run, or the runs of one recipe with several seeds (three or more for an interval over seeds).
        against: runs of another recipe with the same seeds and test images, whose student is compared with.

    Raises:
        UserError: a run has not finished, runs differ in more than their seed, or no seed is shared.
    """
    own = _outcomes(_listed(runs))
    summary = summarise(list(own.values()))
    if against is None:
        return Comparison(summary, summary.difference, sentence(summary))
    others = _outcomes(_listed(against))
    if not (shared := sorted(own.keys() & others.keys())):
        raise UserError(
            f"The runs share no seed: {sorted(own)} and {sorted(others)}. Train both recipes with the same seeds."
        )
    pairs = tuple(with_student(own[seed], others[seed]) for seed in shared)
    found = conclude(Compared(pairs, len(shared)))
    return Comparison(summary, found, claim(found, "the student", "the other student"))


def _listed(runs: Any) -> list[Run]:
    listed = list(runs) if isinstance(runs, Iterable) and not isinstance(runs, str) else [runs]
    if odd := [each for each in listed if not isinstance(each, Run)]:
        raise UserError(f"Runs are compared, not {shortened(odd[0])}: get an earlier run by its id, kd.run(ID).")
    if not listed:
        raise UserError("There are no runs to compare. Give one, or several of one recipe.")
    return listed


def _outcomes(runs: list[Run]) -> dict[int, Any]:
    """Seed -> outcome."""
    if unfinished := [each.id for each in runs if each.state.status != "finished"]:
        raise UserError(f"Not finished, so without results: {', '.join(unfinished)}.")
    seeds = [each.recipe.seeds[0] for each in runs]
    if twice := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
        raise UserError(
            f"Several runs have the seed {', '.join(map(str, twice))}. Give one run for each seed, or compare recipes with "
            "kd.compare(runs, against=others)."
        )
    groups = runs[0].store.by_recipe([each.id for each in runs])
    if len(runs) > 1 and max(map(len, groups), default=0) < len(runs):  # a fork is in no group
        raise UserError(
            "These runs differ in more than their seed. Compare recipes with kd.compare(runs, against=others)."
        )
    return {seed: each.store.outcome(each.id) for seed, each in zip(seeds, runs, strict=True)}
