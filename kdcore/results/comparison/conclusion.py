"""The conclusion from a comparison: better, worse, no difference shown, or a refusal with its reason.

An interval is shown exactly where a claim could be made, and the claim is read from it, so they cannot disagree.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np

from kdcore.results.comparison.crossed import Crossed, of_images, of_means
from kdcore.results.comparison.figure import LEAST_SEEDS, Figure, counted
from kdcore.results.comparison.holm import ALPHA, levels
from kdcore.results.comparison.outcome import Pair
from kdcore.results.comparison.paired import Paired

LEAST_IMAGES = 50
LEAST_APART = 10  # images that only one of the two networks predicts rightly, of one run
LEAST_APART_OF_SEEDS = 30  # the same of several runs together
Kind = Literal["better", "worse", "open", "refused", "unknown"]
Estimate = Paired | Crossed


@dataclass(frozen=True)
class Conclusion(Figure):
    """The mean difference of two networks, and what may be claimed of it.

    kind: better or worse (of the first network), open (no difference shown), or refused.
    why: the reason of a refusal.
    alpha: the interval has the level 1 - alpha; less than 0.05 among several comparisons.
    comparisons: how many are made together.
    detectable: the true difference that such a comparison finds with a probability of 80 %.
    p: of no difference, before any correction.
    """

    kind: Kind = "refused"
    why: str = ""
    alpha: float = ALPHA
    comparisons: int = 1
    detectable: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class Compared:
    """Two networks over one or several seeds.

    pairs: one for each finished seed.
    planned: how many seeds the comparison is to have.
    without: how many finished runs lack the second network.
    """

    pairs: tuple[Pair, ...]
    planned: int = 1
    without: int = 0


def conclude(compared: Compared) -> Conclusion:
    """The conclusion from a single comparison."""
    return conclude_all([compared])[0]


def conclude_all(compared: Sequence[Compared], planned: int = 0) -> list[Conclusion]:
    """The conclusions from comparisons that are made together, corrected by Holm's procedure, in the same order.

    The comparison with the smallest p-value is tested at 0.05 / k, the next at 0.05 / (k - 1) and so on up to the first that
    shows no difference. Each interval has the level of its test; all later ones have that of the first without a claim.

    Args:
        planned: how many comparisons there will be, where some have no runs yet.
    """
    why = [refusal(each) for each in compared]
    estimates = [None if reason else estimate(each.pairs) for each, reason in zip(compared, why, strict=True)]
    for place, found in enumerate(estimates):
        if found is not None and not _has_width(found):
            estimates[place], why[place] = None, "the interval has no width"
    alphas = levels(
        [found.p if found else None for found in estimates],
        lambda place, alpha: _claims(estimates[place], alpha),
        planned,
    )
    count = max(planned, len(compared))
    return [
        _conclusion(each, found, reason, alpha, count)
        for each, found, reason, alpha in zip(compared, estimates, why, alphas, strict=True)
    ]


def estimate(pairs: Sequence[Pair]) -> Estimate | None:
    """The mean difference and how it varies; None where nothing is known of how it varies."""
    if len(pairs) == 1:
        return pairs[0].paired
    if all(pair.per_image is not None for pair in pairs):
        return of_images(np.stack([pair.per_image for pair in pairs if pair.per_image is not None]))
    return of_means([pair.difference for pair in pairs], [pair.variance for pair in pairs], pairs[0].count)


def refusal(compared: Compared) -> str:
    """Why nothing may be claimed from a comparison; empty where something may be."""
    pairs = compared.pairs
    turned = list(dict.fromkeys(name for pair in pairs for name in pair.turned))
    if turned:
        return f"a user changed settings during the run ({', '.join(turned)})"
    if compared.without:
        return f"{compared.without} of {len(pairs) + compared.without} runs have no twin"
    if not all(pair.same_images for pair in pairs):
        return "the two were tested on different images"
    if len(pairs) < compared.planned:
        return f"{len(pairs)} of {compared.planned} seeds {'is' if len(pairs) == 1 else 'are'} finished"
    return (_of_seeds(pairs) if len(pairs) > 1 else "") or _of_images(pairs)


def _of_seeds(pairs: Sequence[Pair]) -> str:
    for place, pair in enumerate(pairs):
        for other in pairs[:place]:
            if pair.seed == other.seed:
                return f"seed {pair.seed} is there twice"
            if pair.identity == other.identity:
                return f"seeds {other.seed} and {pair.seed} gave identical results"
    first = pairs[0]
    if any(_other_images(pair, first) for pair in pairs):
        return "the runs have different test images"
    if len(pairs) < LEAST_SEEDS:
        return f"{len(pairs)} seeds are too few ({LEAST_SEEDS} are needed)"
    return ""


def _of_images(pairs: Sequence[Pair]) -> str:
    count, known = pairs[0].count, [sum(pair.apart) for pair in pairs if pair.apart]
    if count < LEAST_IMAGES:
        return f"only {counted(count)} ({LEAST_IMAGES} are needed)"
    if len(known) < len(pairs):  # students of runs that did not store which images they predict rightly
        return "" if len(pairs) > 1 else "the run did not store which test images were predicted correctly"
    least = LEAST_APART if len(pairs) == 1 else LEAST_APART_OF_SEEDS
    if not sum(known):
        return f"both are right on the same of the {counted(count)}"
    if sum(known) < least:
        in_all = f"{count:,} test images" if len(pairs) == 1 else f"{len(pairs)} x {count:,} predictions"
        return f"only one of the two is right on {sum(known)} of {in_all} ({least} are needed)"
    return ""


def _other_images(pair: Pair, first: Pair) -> bool:
    if pair.count != first.count or (pair.tested_on and first.tested_on and pair.tested_on.differ(first.tested_on)):
        return True
    return pair.targets is not None and first.targets is not None and not np.array_equal(pair.targets, first.targets)


def _has_width(found: Estimate) -> bool:
    low, high = found.interval()
    return high > low


def _claims(found: Estimate | None, alpha: float) -> bool:
    if found is None:
        return False
    low, high = found.interval(alpha)
    return low > 0 or high < 0


def _conclusion(compared: Compared, found: Estimate | None, why: str, alpha: float, count: int) -> Conclusion:
    if found is None:
        mean = fmean(pair.difference for pair in compared.pairs) if compared.pairs else math.nan
        return Conclusion(mean, why=why, alpha=alpha, comparisons=count)
    low, high = found.interval(alpha)
    kind: Kind = "better" if low > 0 else "worse" if high < 0 else "open"
    return Conclusion(
        found.mean, low, high, kind=kind, alpha=alpha, comparisons=count, detectable=found.detectable(alpha), p=found.p
    )
