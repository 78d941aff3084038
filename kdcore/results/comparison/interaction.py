"""Whether a change, such as INT8, costs one network more than another: the difference of two differences, over several seeds.

On the same test images, cost = accuracy before - accuracy after, and each image contributes the cost of the first network less that of
the second: a whole number from -2 to 2. Over the seeds, `crossed` gives their mean an interval.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kdcore.results.comparison.conclusion import LEAST_APART_OF_SEEDS, Compared, Conclusion, conclude
from kdcore.results.comparison.figure import LEAST_SEEDS
from kdcore.results.comparison.outcome import Outcome, Pair, identity
from kdcore.results.comparison.sentences import with_figures


def conclude_costs(before: Sequence[Outcome], after: Sequence[Outcome], first: str, second: str) -> Conclusion:
    """What may be claimed of cost(first) - cost(second); at least three seeds are needed.

    Args:
        before, after: a seed each, in the same order, with the predictions of both networks on the same test images.
    """
    pairs = tuple(_pair(one, other, first, second) for one, other in zip(before, after, strict=True))
    found = conclude(Compared(pairs, max(LEAST_SEEDS, len(pairs))))
    apart = sum(sum(pair.apart) for pair in pairs if pair.apart)
    if found.kind == "refused" and len(pairs) >= LEAST_SEEDS and apart < LEAST_APART_OF_SEEDS:
        why = f"the costs differ on {apart} of {len(pairs)} x {pairs[0].count:,} predictions ({LEAST_APART_OF_SEEDS} are needed)"
        return replace(found, why=why)
    return found


def costs_claim(found: Conclusion, change: str, first: str, second: str) -> str:
    """The conclusion as a sentence: `first` and `second` name the networks, `change` what is done to both."""
    shown = f"{change} costs {first} {'more' if found.kind == 'better' else 'less'} than {second}"
    return with_figures(found, shown, f"no difference shown in what {change} costs {first} and {second}")


def _pair(before: Outcome, after: Outcome, first: str, second: str) -> Pair:
    costs = []
    for name in (first, second):
        was, now = before.right(name), after.right(name)
        assert was is not None
        assert now is not None
        costs.append(was.astype(np.int8) - now.astype(np.int8))
    values = costs[0] - costs[1]
    assert before.predictions is not None
    return Pair(
        seed=before.seed,
        count=len(values),
        difference=float(values.mean()),
        variance=float(values.var()),
        per_image=values,
        targets=before.predictions["targets"],
        apart=(int((values > 0).sum()), int((values < 0).sum())),
        identity=tuple(identity(each.results[name]) for each in (before, after) for name in (first, second)),
        turned=tuple(dict.fromkeys((*before.turned, *after.turned))),
    )
