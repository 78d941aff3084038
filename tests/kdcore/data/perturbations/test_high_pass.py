import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import Clean
from tests.kdcore.data.perturbations.samples import clean, split
from tests.kdcore.data.perturbations.test_low_pass import waves

HIGH = perturbations.get("high_pass")


def test_a_wave_above_the_cutoff_stays_and_one_up_to_it_is_grey() -> None:
    for cycles in (1, 4, 5, 9):
        expected = waves(cycles, 32) if cycles > 4 else torch.full((1, 3, 32, 32), 0.5)
        found = HIGH.perturb(Clean(waves(cycles, 32), torch.tensor([1])), 4).images
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_every_image_has_the_same_mean_colour() -> None:
    batch = clean(split())
    found = HIGH.perturb(batch, 4).images
    assert (batch.images.mean(dim=(2, 3)).std(dim=0) > 0.1).all()
    torch.testing.assert_close(
        found.mean(dim=(2, 3)), torch.full((6, 3), 0.5), atol=0.005, rtol=0
    )  # up to what is clamped


def test_with_the_low_pass_it_sums_to_the_image() -> None:
    given = clean(split())
    batch = Clean(0.4 + 0.2 * given.images, given.keys)  # so that nothing is clamped
    low = perturbations.get("low_pass").perturb(batch, 4).images
    torch.testing.assert_close(low + HIGH.perturb(batch, 4).images - 0.5, batch.images, atol=1e-5, rtol=0)
