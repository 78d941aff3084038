"""Previews: a few images of a split, or one image, as a test set makes them."""

from collections.abc import Sequence

import numpy as np
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import making
from kdcore.data.perturbations.pixels import levels
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.tensors.outputs import NO_LABEL

COUNT = 8  # images, where the caller names none


def preview(
    source: Split | np.ndarray, name: str, strength: float | None = None, places: Sequence[int] = range(COUNT)
) -> np.ndarray:
    """Perturbed images as uint8 [m, H, W, 3], as networks get them; of one image uint8 [H, W, 3], that image perturbed.

    Nothing is cached. A set with images of its own leaves these as they are.

    Args:
        strength: the set's usual one where it is None.
        places: of the images in the split; those beyond its end are left out.

    Raises:
        UserError: no such set, it cannot be made from these images, or the strength has no meaning.
    """
    perturbation = perturbations.get(name)
    split = source if isinstance(source, Split) else _alone(source)
    if reason := perturbation.why_not(split):
        raise UserError(f"{perturbation.title} cannot be made from this {split.name}: {reason}.")
    perturbation.prepare(split)
    chosen = torch.tensor([place for place in places if place < len(split)], dtype=torch.int64)
    found = making.made(split, perturbation, perturbation.usual if strength is None else strength, chosen)
    pixels = levels(found.images).permute(0, 2, 3, 1).cpu().numpy()
    return pixels if isinstance(source, Split) else pixels[0]


def _alone(image: np.ndarray) -> Split:
    """A split of one image without a label."""
    pixels = torch.from_numpy(np.ascontiguousarray(image)[None]).permute(0, 3, 1, 2)
    return Split("image", (), pixels, torch.tensor([NO_LABEL]))
