"""Occlusion: how much the class's probability falls when a patch is covered. Costs a forward pass a patch.

Zeiler & Fergus, ECCV 2014, https://arxiv.org/abs/1311.2901
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.explain.maps.base import Ask, MethodCard, chosen_class, last_shape
from kdcore.models import Tapped

LARGEST = 14  # cells a side: a finer grid would cost more forwards than a visitor waits for
TOGETHER = 64  # covered images in one forward

CARD = MethodCard(
    title="Occlusion",
    shows="How much less probable the chosen class becomes when each patch is covered with the picture's mean colour.",
    architectures="any",
    explains_class=True,
)


def covered(image: Tensor, grid: tuple[int, int]) -> Tensor:
    """One image [3, H, W] with each cell of the grid in turn in the image's mean colour: [cells, 3, H, W]."""
    cells = grid[0] * grid[1]
    masks = torch.eye(cells, device=image.device).view(cells, 1, *grid)
    masks = F.interpolate(masks, image.shape[1:], mode="nearest").bool()
    return torch.where(masks, image.mean(dim=(1, 2), keepdim=True), image)


def maps(model: Tapped, images: Tensor, ask: Ask) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]; what makes the class more probable when covered counts as 0."""
    rows, columns = last_shape(model, images)[1:]
    grid = (min(rows, LARGEST), min(columns, LARGEST))
    with torch.no_grad():
        logits = model(images).logits
        target = chosen_class(logits, ask.target)
        found: list[Tensor] = []
        for image, label, before in zip(images, target, _share(logits, target, ask, slice(None)), strict=True):
            parts = covered(image, grid).split(TOGETHER)
            said = torch.cat([model(part).logits for part in parts])
            after = _share(said, label.expand(len(said)), ask, slice(len(found), len(found) + 1))
            found.append((before - after).clamp(min=0).unflatten(0, grid))
    return logits, torch.stack(found)


def _share(logits: Tensor, target: Tensor, ask: Ask, rows: slice) -> Tensor:
    """The probability of the class, less that of the class it is set against."""
    probabilities = logits.float().softmax(dim=1)
    share = probabilities.gather(1, target[:, None])[:, 0]
    if ask.against is not None:
        against = ask.against[rows].to(logits.device).expand(len(logits))
        share = share - probabilities.gather(1, against[:, None])[:, 0]
    return share
