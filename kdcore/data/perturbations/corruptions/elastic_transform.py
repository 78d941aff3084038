"""Elastic transform: a random affine map, then a smooth random displacement."""

import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.data.perturbations import randomness, resampling
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import finished

SETTINGS = ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))
# strength and sigma of the displacement, and reach of the affine map's corners; in sides of the image


class ElasticTransform(Perturbation):
    title = "Elastic transform"
    summary = "The image stretched by a random affine map and bent by a smooth random displacement."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE
    cached = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        alpha, sigma, reach = at_severity(SETTINGS, strength, "elastic transform")
        images = clean.images.contiguous()
        side = min(images.shape[2:])
        found = sampled(images, affine_places(clean.keys, images, reach * side), border="reflect_101")
        if alpha:
            found = sampled(found, displaced_places(clean.keys, images, alpha * side, sigma * side), border="reflect")
        return Perturbed(finished(found, clean.images))


def affine_places(keys: Tensor, images: Tensor, reach: float) -> Tensor:
    """Where each pixel is taken from, in pixels (x, y), by the affine map that moves three points by up to `reach`: [m, H, W, 2]."""
    height, width = images.shape[2:]
    centre, square = images.new_tensor([width // 2, height // 2], dtype=torch.float64), min(height, width) // 3
    corners = centre + square * images.new_tensor([[1, 1], [1, -1], [-1, -1]], dtype=torch.float64)
    moved = corners + reach * (2 * randomness.uniform(keys, 6, stream=1).double().unflatten(1, (3, 2)) - 1)
    map_back = torch.linalg.solve(torch.cat([moved, moved.new_ones(len(keys), 3, 1)], dim=2), corners)  # [m, 3, 2]
    by_column, by_row, first = map_back[:, :, None, None].unbind(1)  # [m, 1, 1, 2] each
    rows, columns = (torch.arange(side, device=images.device) for side in (height, width))
    return first + columns[:, None] * by_column + rows[:, None, None] * by_row


def displaced_places(keys: Tensor, images: Tensor, alpha: float, sigma: float) -> Tensor:
    """Where each pixel is taken from by a smooth displacement, in pixels (x, y): [m, H, W, 2]."""
    height, width = images.shape[2:]
    noise = 2 * randomness.uniform_field(keys, (2, height, width), stream=2) - 1
    across, down = (alpha * resampling.gaussian(noise, sigma, mode="reflect", truncate=3.0)).unbind(1)
    rows, columns = (torch.arange(side, device=images.device) for side in (height, width))
    return torch.stack([columns + across, rows[:, None] + down], dim=3)


def sampled(images: Tensor, places: Tensor, border: str) -> Tensor:
    """Bilinear samples: [m, 3, H, W] at places (x, y) in pixels, [m, H, W, 2].

    Args:
        border: `reflect_101` mirrors the image at its last pixel's centre (OpenCV), `reflect` at that pixel's edge (scipy).
    """
    size, centres = places.new_tensor([images.shape[3], images.shape[2]]), border == "reflect_101"
    grid = 2 * places / (size - 1) - 1 if centres else (2 * places + 1) / size - 1
    return F.grid_sample(images, grid.to(images.dtype), "bilinear", "reflection", align_corners=centres)
