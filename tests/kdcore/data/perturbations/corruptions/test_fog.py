"""Against the authors' `plasma_fractal`, as in make_cifar_c.py, with the same random numbers in the same order."""

import numpy as np
import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import Clean, randomness
from kdcore.data.perturbations.corruptions.fog import plasma
from tests.kdcore.data.perturbations.samples import clean, split


def plasma_fractal(size: int, decay: float, chances: np.ndarray) -> np.ndarray:
    """The authors', for one image; `chances` in [-1, 1) stand for their draws of np.random.uniform."""
    field = np.zeros((size, size))
    step, wibble, used = size, 100.0, 0

    def mean(array: np.ndarray) -> np.ndarray:
        nonlocal used
        drawn = wibble * chances[used : used + array.size].reshape(array.shape)
        used += array.size
        return array / 4 + wibble * drawn

    while step >= 2:
        half = step // 2
        corners = field[0:size:step, 0:size:step]
        squares = corners + np.roll(corners, shift=-1, axis=0)
        squares += np.roll(squares, shift=-1, axis=1)
        field[half:size:step, half:size:step] = mean(squares)
        dr, ul = field[half:size:step, half:size:step], field[0:size:step, 0:size:step]
        field[0:size:step, half:size:step] = mean((dr + np.roll(dr, 1, axis=0)) + (ul + np.roll(ul, -1, axis=1)))
        field[half:size:step, 0:size:step] = mean((dr + np.roll(dr, 1, axis=1)) + (ul + np.roll(ul, -1, axis=0)))
        step, wibble = half, wibble / decay
    field -= field.min()
    return field / field.max()


@pytest.mark.parametrize(("severity", "thickness", "decay"), [(1, 0.2, 3), (3, 0.75, 2.5), (5, 1.5, 1.75)])
def test_equals_the_published_arithmetic(severity: int, thickness: float, decay: float) -> None:
    batch = clean(split())
    found = perturbations.get("fog").perturb(batch, severity).images
    chances = 2 * randomness.uniform_field(batch.keys, (32 * 32,), 1).double().numpy() - 1
    for given, image, each in zip(batch.images, found, chances, strict=True):
        x = given.permute(1, 2, 0).numpy()
        most = x.max()
        x = x + thickness * plasma_fractal(32, decay, each)[..., np.newaxis]
        np.testing.assert_allclose(image.permute(1, 2, 0), np.clip(x * most / (most + thickness), 0, 1), atol=1e-5)


def test_a_side_that_is_no_power_of_two_is_cut_from_a_larger_fractal() -> None:
    keys = torch.tensor([7])
    found = perturbations.get("fog").perturb(Clean(torch.full((1, 3, 33, 40), 0.5), keys), 3).images
    expected = (0.5 + 0.75 * plasma(keys, 64, 2.5)[0, :33, :40]) * 0.5 / 1.25
    torch.testing.assert_close(found[0, 1], expected.clamp(max=1))
