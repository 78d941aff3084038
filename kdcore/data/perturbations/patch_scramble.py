"""Patch scramble: the image's tiles in random order, so that local texture stays and global structure is lost."""

import torch
from torch import Tensor

from kdcore.data.perturbations import randomness
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.pixels import check_whole


class PatchScramble(Perturbation):
    """Every tile stays as it is and moves to a random place; pixels beyond the last whole tile stay."""

    title = "Scrambled patches"
    summary = "The image's tiles in random order: local texture stays, global structure is lost."
    probes = "structure"
    parameter = "grid (tiles a side)"
    strengths = (2, 4, 8)
    usual = 4
    source = "Naseer et al., NeurIPS 2021, https://arxiv.org/abs/2105.10497"
    at_levels = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        height, width = clean.images.shape[2:]
        grid = check_whole(strength, 1, min(height, width), "The grid of scrambled patches")
        order = randomness.permutations(clean.keys, grid**2, stream=1).unflatten(1, (grid, grid))
        images = clean.images.permute(0, 2, 3, 1)  # the usual layout in memory
        area = images[:, : height - height % grid, : width - width % grid]
        moved = scrambled(area, order)
        if moved.shape != images.shape:
            whole = images.clone()
            whole[:, : moved.shape[1], : moved.shape[2]] = moved
            moved = whole
        return Perturbed(moved.permute(0, 3, 1, 2))


def scrambled(images: Tensor, order: Tensor) -> Tensor:
    """Images [m, H, W, 3] whose tiles are those at the places `order`, [m, grid, grid], counted by rows of tiles."""
    m, height, grid = *images.shape[:2], order.shape[1]
    rows = height // grid  # of pixels, of a tile
    pieces = images.reshape(m * height * grid, -1)  # a row of a tile's pixels each
    top = (
        order // grid * rows + height * torch.arange(m, device=order.device)[:, None, None]
    )  # of the tile, in all images
    row = top[:, :, None] + torch.arange(rows, device=order.device)[:, None]  # [m, grid, rows, grid]
    places = row * grid + (order % grid)[:, :, None]
    return pieces.index_select(0, places.flatten()).reshape(images.shape)
