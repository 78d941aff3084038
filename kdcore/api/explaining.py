"""A network's heatmap and predictions for images that a caller has, as files, arrays or tensors."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import kdcore
from kdcore.api.networks import load
from kdcore.api.runs import Run
from kdcore.errors import UserError, shortened
from kdcore.explain import Explanation, heatmaps
from kdcore.models import Tapped
from kdcore.paths import given

Picture = str | Path | np.ndarray | Tensor


def explain(network: Tapped | Run | str, image: Picture, map: str | None = None, **options_of_map: Any) -> Explanation:
    """A network's heatmap and predictions for one image or a batch.

    Args:
        network: a network, a run (its student) or a reference as for `load`.
        image: a file, uint8 [H, W, 3], or a tensor [3, S, S] or [B, 3, S, S] in [0, 1] at the network's size. Files and
            arrays are cut to their middle square and resized.
        map: a name of `python -m kdcore explain --help`; the network's own unless given.
        options_of_map: layer, head, target (class numbers [B]), as the map takes them.

    Returns:
        `heatmaps` float32 [B, h, w] that sum to 1, `probabilities` [B, K], `targets` [B], and `problems` by place.

    Raises:
        UserError: no such file or map, a map that this network does not have, or an image that cannot be read.
    """
    model = network if isinstance(network, Tapped) else network.network() if isinstance(network, Run) else load(network)
    return heatmaps.explain(model, _batch(image, model), map or heatmaps.default_map(model), **options_of_map)


def _batch(image: Picture, model: Tapped) -> Tensor:
    """[B, 3, S, S] in [0, 1] on the network's device."""
    device = model.mean.device
    if isinstance(image, Tensor):
        return _checked(image.unsqueeze(0) if image.ndim == 3 else image, model.image_size).to(device)
    from kdcore import photos
    from kdcore.inspection.preprocessing import as_batch, square

    if isinstance(image, str | Path):
        path = given(image)
        if not os.path.isfile(path):  # not Path.is_file, which raises for names that no file system takes
            raise UserError(f"There is no file {shortened(str(path))}. Give the path of an image, such as photo.jpg.")
        image = photos.read(path.read_bytes(), path.name).pixels
    return as_batch([square(image)], model.image_size).to(device)


def _checked(images: Tensor, side: int) -> Tensor:
    if images.ndim != 4 or tuple(images.shape[1:]) != (3, side, side) or not images.is_floating_point():
        raise UserError(
            f"Images should be floats [B, 3, {side}, {side}] in [0, 1], not {str(images.dtype).removeprefix('torch.')} "
            f"{list(images.shape)}. A file or a uint8 array [H, W, 3] is resized for you."
        )
    low, high = torch.aminmax(images)
    if not (low >= 0 and high <= 1):
        raise UserError(
            f"Images should be in [0, 1], not in [{low:.3g}, {high:.3g}]: each network normalises for itself."
        )
    return images


kdcore.made_callable(sys.modules["kdcore.explain"])
