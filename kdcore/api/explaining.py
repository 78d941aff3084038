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

OPTIONS: dict[str, tuple[type, str]] = {
    "target": (Tensor, "class numbers [B], int64"), "against": (Tensor, "class numbers [B], int64"),
    "layer": (int, "a whole number from 0"), "head": (int, "a whole number from 0"), "query": (tuple, "(row, column) of a patch"),
}  # fmt: skip
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
    _check_options(options_of_map)
    return heatmaps.explain(model, _batch(image, model), map or heatmaps.default_map(model), **options_of_map)


def _check_options(given: dict[str, Any]) -> None:
    """Refuse what no map takes. Raises UserError."""
    for name, value in given.items():
        if name not in OPTIONS:
            raise UserError(f"Maps have no option {shortened(name)}; known: {', '.join(OPTIONS)}.")
        kind, words = OPTIONS[name]
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise UserError(f"`{name}` of a map should be {words}, not {shortened(value)}.")


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
    if not isinstance(image, np.ndarray):
        raise UserError(f"An image is a file, a uint8 array [H, W, 3] or a tensor, not {shortened(image)}.")
    return as_batch([square(image)], model.image_size).to(device)


def _checked(images: Tensor, side: int) -> Tensor:
    if images.ndim != 4 or tuple(images.shape[1:]) != (3, side, side) or not images.is_floating_point():
        raise UserError(
            f"Images should be floats [B, 3, {side}, {side}] in [0, 1], not {str(images.dtype).removeprefix('torch.')} "
            f"{list(images.shape)}. A file or a uint8 array [H, W, 3] is resized for you."
        )
    if not len(images):
        raise UserError(f"There are no images in a batch of the shape {list(images.shape)}: give one or more.")
    low, high = torch.aminmax(images)
    if not (low >= 0 and high <= 1):
        raise UserError(
            f"Images should be in [0, 1], not in [{low:.3g}, {high:.3g}]: each network normalises for itself."
        )
    return images


kdcore.made_callable(sys.modules["kdcore.explain"])
