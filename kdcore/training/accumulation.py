"""A step in parts, for a memory that does not hold the whole batch: gradients of its parts are added up, weighted by their size.

The sum is the gradient of the whole batch for losses that are means over images. BatchNorm takes its statistics from each part,
losses that compare the images of a batch compare those of a part, and means over the labelled images are weighted by all images.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch

from kdcore import methods
from kdcore.data.batches import divisions, even
from kdcore.recipe import Recipe
from kdcore.tensors.outputs import Batch, Objective


def divided(batch: Batch, count: int) -> list[Batch]:
    """The batch in `count` parts of almost the same size, fewer where a part would have less than two images. Its further views
    are made afterwards."""
    everything = batch.whole or batch
    if len(spans := divisions(len(everything.targets), count)) == 1:
        return [batch]
    if batch.whole is None:
        return [batch.rows(slice(*span)) for span in spans]
    own = even(len(batch.targets), len(spans))  # this process's images of each part, see `Process.rows`
    return [
        replace(batch.rows(slice(*mine)), whole=batch.whole.rows(slice(*span)))
        for mine, span in zip(own, spans, strict=True)
    ]


def warnings(recipe: Recipe) -> list[str]:
    """A sentence where terms compare the images of a batch, which are those of a part then."""
    names = [term.label for term in recipe.terms if methods.get(term.method).card.compares == "relations"]
    if recipe.optimizer.accumulate == 1 or not names:
        return []
    return [
        f"optimizer.accumulate is {recipe.optimizer.accumulate}, so terms that compare the images of a batch compare those of a "
        f"part ({', '.join(names)}). With whole batches the losses are others."
    ]


def shares(parts: Sequence[Batch]) -> list[float]:
    """Each part's share of the images."""
    sizes = [len((part.whole or part).targets) for part in parts]
    return [size / sum(sizes) for size in sizes]


def combined(found: Sequence[Objective], shares: Sequence[float]) -> Objective:
    """The objective of the whole batch, without its graph: means weighted by the parts' shares."""
    if len(found) == 1:
        return found[0]
    last = found[-1]

    def mean(values: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.stack([share * value.detach() for share, value in zip(shares, values, strict=True)]).sum()

    losses = {name: mean([each.losses[name] for each in found]) for name in last.losses}
    return Objective(mean([each.total for each in found]), losses, last.weights, last.layer_weights)
