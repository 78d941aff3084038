"""Faithfulness: whether the prediction depends on the patches that a map ranks highest.

Deletion and insertion of Petsiuk, Das & Saenko, RISE, BMVC 2018, https://arxiv.org/abs/1806.07421, patch by patch.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from kdcore.explain.reading.hooks import left_as_it_was
from kdcore.models import Tapped

# Standard deviation of the blur that insertion starts from, as a share of the side. The paper's 5 of 224 pixels leave small
# images recognisable (98 % on cues, 71 % on CIFAR-10), so that every order of insertion seems perfect.
BLUR = 0.1
TOGETHER = 64  # images in one forward


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """How the class's probability changes as the most salient patches go, or come, first.

    shares: [S + 1], the share of the image that was deleted or inserted, from 0 to 1.
    deletion, insertion: [B, S + 1] probabilities.
    """

    shares: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray

    @property
    def deletion_area(self) -> np.ndarray:
        """[B], the area under the deletion curve: lower is more faithful."""
        return _area(self.shares, self.deletion)

    @property
    def insertion_area(self) -> np.ndarray:
        """[B], the area under the insertion curve: higher is more faithful."""
        return _area(self.shares, self.insertion)


def faithfulness(
    model: Tapped, images: Tensor, heatmaps: np.ndarray, targets: np.ndarray, *, steps: int = 16
) -> Faithfulness:
    """Delete and insert patches in the order of a map.

    Deleted patches take the image's mean colour; insertion starts from the blurred image. The same for all networks that
    are compared.

    Args:
        images: [B, 3, S, S] in [0, 1].
        heatmaps: [B, H, W]; a larger value goes first, the first of equals.
        targets: [B], the class whose probability is followed.
        steps: so many points of a curve at most; a grid of fewer cells has a step a cell.
    """
    count, rows, columns = heatmaps.shape
    cells = rows * columns
    steps = min(steps, cells)
    order = torch.from_numpy(np.argsort(-heatmaps.reshape(count, cells), axis=1, kind="stable"))
    rank = order.argsort(dim=1).view(count, rows, columns).to(images.device)
    done = [round(cells * step / steps) for step in range(steps + 1)]
    mean = images.mean(dim=(2, 3), keepdim=True).expand_as(images)
    sigma = max(0.5, BLUR * images.shape[3])
    blurred = gaussian_blur(images, [2 * math.ceil(2 * sigma) + 1] * 2, [sigma] * 2)
    curves = []
    for first, then in ((images, mean), (blurred, images)):
        frames = torch.stack([_replaced(first, then, rank < cells_done) for cells_done in done], dim=1)
        curves.append(_probabilities(model, frames.flatten(0, 1), targets.repeat(steps + 1)).reshape(count, steps + 1))
    return Faithfulness(np.array(done) / cells, *curves)


def _replaced(first: Tensor, then: Tensor, chosen: Tensor) -> Tensor:
    """`then` in the chosen cells [B, H, W], `first` elsewhere."""
    mask = F.interpolate(chosen[:, None].float(), first.shape[2:], mode="nearest").bool()
    return torch.where(mask, then, first)


def _probabilities(model: Tapped, images: Tensor, targets: np.ndarray) -> np.ndarray:
    with left_as_it_was(model), torch.no_grad():
        probabilities = torch.cat([model(part).logits.float() for part in images.split(TOGETHER)]).softmax(dim=1)
    return probabilities.gather(1, torch.from_numpy(targets).to(probabilities.device)[:, None])[:, 0].cpu().numpy()


def _area(shares: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """Trapezoids; 1 for a curve that stays at 1. Steps are not quite equal where cells cannot be shared out evenly."""
    area: np.ndarray = ((curve[:, 1:] + curve[:, :-1]) / 2 * np.diff(shares)).sum(axis=1)
    return area
