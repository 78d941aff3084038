"""Patch scramble: the image's tiles in random order, so that local texture stays and global structure is lost."""

import torch

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

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        m, _, height, width = clean.images.shape
        grid = check_whole(strength, 1, min(height, width), "The grid of scrambled patches")
        rows, columns = height // grid, width // grid
        found = clean.images.clone()
        area = found.permute(0, 2, 3, 1)[:, : rows * grid, : columns * grid]  # the usual layout in memory
        tiles = (
            area.unflatten(2, (grid, columns)).unflatten(1, (grid, rows)).transpose(2, 3)
        )  # [m, grid, grid, rows, ...]
        first = torch.arange(m, device=area.device)[:, None] * grid**2
        order = first + randomness.permutations(clean.keys, grid**2, stream=1)
        moved = tiles.flatten(0, 2).flatten(1).index_select(0, order.flatten())
        area.copy_(moved.reshape(tiles.shape).transpose(2, 3).reshape(area.shape))
        return Perturbed(found)
