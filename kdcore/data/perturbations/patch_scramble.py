"""Patch scramble: the image's tiles in random order, so that local texture stays and global structure is lost."""

import torch

from kdcore.data.perturbations import randomness
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.errors import UserError


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
        grid, (m, channels, height, width) = int(strength), clean.images.shape
        if grid != strength or not 1 <= grid <= min(height, width):
            raise UserError(
                f"The grid of scrambled patches is {strength:g}; it should be a whole number from 1 to {min(height, width)}, "
                "the pixels of a side."
            )
        rows, columns = height // grid, width // grid
        area = clean.images[:, :, : rows * grid, : columns * grid]
        tiles = area.reshape(m, channels, grid, rows, grid, columns).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
        order = randomness.permutations(clean.keys, grid * grid, stream=1)
        moved = torch.take_along_dim(tiles, order[:, :, None, None, None], dim=1).unflatten(1, (grid, grid))
        found = clean.images.clone()
        found[:, :, : rows * grid, : columns * grid] = moved.permute(0, 3, 1, 4, 2, 5).reshape(area.shape)
        return Perturbed(found)
