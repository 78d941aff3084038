"""Occlusion: how much the class's probability falls when a patch is covered, at one forward a patch.

Zeiler & Fergus, ECCV 2014, https://arxiv.org/abs/1311.2901
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.explain.base import MapCard, MapOptions, chosen_class
from kdcore.explain.reading.hooks import last_shape
from kdcore.models import Tapped

LARGEST = 14  # cells a side: a finer grid would cost more forwards than anybody waits for
TOGETHER = 64  # covered images in one forward

CARD = MapCard(
    title="Occlusion",
    summary="How much less probable the chosen class becomes when each patch is covered with the image's mean colour.",
    about=(
        "How much less probable the class becomes when each patch in turn takes the image's mean colour. Shows what "
        "the prediction depends on, by trying it; the only map here that reads nothing inside the network. Does not "
        "see what two patches both show, because covering one leaves the other, and a grey patch is itself new to the "
        "network. Empty where no single patch makes the class less probable."
    ),
    family="Changes of the input",
    order=2,
    explains_class=True,
    forwards_per_cell=1.0,
    paper="Zeiler & Fergus, ECCV 2014",
    url="https://arxiv.org/abs/1311.2901",
)


def covered(image: Tensor, grid: tuple[int, int]) -> Tensor:
    """One image [3, H, W] with each cell of the grid in turn in the image's mean colour: [cells, 3, H, W]."""
    cells = grid[0] * grid[1]
    masks = torch.eye(cells, device=image.device).view(cells, 1, *grid)
    masks = F.interpolate(masks, image.shape[1:], mode="nearest").bool()
    return torch.where(masks, image.mean(dim=(1, 2), keepdim=True), image)


def maps(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]; 0 where covering makes the class more probable."""
    rows, columns = last_shape(model, images)[1:]
    grid = (min(rows, LARGEST), min(columns, LARGEST))
    with torch.no_grad():
        logits = model(images).logits
        target = chosen_class(logits, options.target)
        found: list[Tensor] = []
        for image, label, before in zip(images, target, _share(logits, target, options, slice(None)), strict=True):
            parts = covered(image, grid).split(TOGETHER)
            outputs = torch.cat([model(part).logits for part in parts])
            after = _share(outputs, label.expand(len(outputs)), options, slice(len(found), len(found) + 1))
            found.append((before - after).clamp(min=0).unflatten(0, grid))
    return logits, torch.stack(found)


def _share(logits: Tensor, target: Tensor, options: MapOptions, rows: slice) -> Tensor:
    """The probability of the class, minus that of `options.against`."""
    probabilities = logits.float().softmax(dim=1)
    share = probabilities.gather(1, target[:, None])[:, 0]
    if options.against is not None:
        against = options.against[rows].to(logits.device).expand(len(logits))
        share = share - probabilities.gather(1, against[:, None])[:, 0]
    return share
