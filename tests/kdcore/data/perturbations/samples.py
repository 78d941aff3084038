"""Images for tests of perturbed sets."""

import torch

from kdcore.data.perturbations import Clean, making
from kdcore.data.split import Split

CLASSES = ("cat", "dog", "ship")


def split(side: int = 32, n: int = 6) -> Split:
    """Smooth colours with noise; the last but one image is grey, the last black (where there are several)."""
    generator = torch.Generator().manual_seed(side)
    coarse = torch.rand(n, 3, 4, 4, generator=generator)
    images = torch.nn.functional.interpolate(coarse, size=side, mode="bilinear") + 0.1 * torch.rand(
        n, 3, side, side, generator=generator
    )
    pixels = (images * 230).byte()
    pixels[-2:-1] = pixels[-2:-1, :1]
    pixels[-1:] = 0 if n > 1 else pixels[-1:]
    middle = torch.arange(side) // (side // 4) % 3 == 1
    masks = (middle[:, None] & middle)[None].repeat(n, 1, 1)
    layout = pixels.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    return Split("test", CLASSES, layout, torch.arange(n) % 3, extras={"masks": masks})


def clean(given: Split) -> Clean:
    return making.clean(given, torch.arange(len(given)))
