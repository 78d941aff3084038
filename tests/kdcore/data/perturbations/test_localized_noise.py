import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import Clean, randomness
from kdcore.errors import UserError

KEYS = randomness.mixed(torch.arange(300))
GREY = Clean(torch.full((300, 3, 20, 20), 0.5), KEYS)


def test_a_quarter_of_the_area_in_the_centre() -> None:
    found = perturbations.get("localized_noise", share=0.25).perturb(GREY, 0.1).images
    changed = (found != 0.5).any(dim=0).any(dim=0)
    expected = torch.zeros(20, 20, dtype=torch.bool)
    expected[5:15, 5:15] = True  # half of each side
    assert torch.equal(changed, expected)
    assert abs(found[:, :, 5:15, 5:15].std() - 0.1) < 0.001


def test_a_box_of_the_same_size_anywhere() -> None:
    random = perturbations.get("localized_noise", share=0.25, position="random")
    boxes = random.box(GREY)[:, 0]
    assert (boxes.sum(dim=(1, 2)) == 100).all()
    first = boxes.any(dim=2).int().argmax(dim=1)
    assert set(first.tolist()) == set(range(11))
    assert boxes.any(dim=0).all()
    found = random.perturb(GREY, 0.3).images
    assert torch.equal((found != 0.5).any(dim=1), boxes)


def test_the_whole_image_is_global_noise() -> None:
    whole = perturbations.get("localized_noise", share=1).perturb(GREY, 0.2).images
    torch.testing.assert_close(whole, perturbations.get("global_noise").perturb(GREY, 0.2).images)


def test_settings_that_have_no_meaning_are_refused() -> None:
    with pytest.raises(UserError, match="The share of the box with noise is 1.5; it should be a number from 0 to 1"):
        perturbations.get("localized_noise", share=1.5)
    with pytest.raises(UserError, match="Unknown position 'left' of the box with noise. Known: centre, random"):
        perturbations.get("localized_noise", position="left")
