import numpy as np
import pytest
import torch

from kdcore.data import loading, perturbations
from kdcore.data.perturbations import Clean, making
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe

EDGES = perturbations.get("edges")
CUES = DataRecipe(name="cues", image_size=32, train_images=20, test_images=20)


def clean(images: torch.Tensor) -> Clean:
    return Clean(images, torch.zeros(len(images), dtype=torch.int64))


def test_the_outline_of_a_grey_square_is_one_pixel_thin_and_at_its_border() -> None:
    image = torch.full((1, 3, 40, 40), 0.3)
    image[:, :, 10:30, 10:30] = 0.6
    found = EDGES.perturb(clean(image), 1).images
    assert torch.equal(found[:, 0], found[:, 2])
    assert set(found.unique().tolist()) == {0.0, 1.0}
    for row in (found[0, 0, 20], found[0, 0, :, 20]):  # across the middle: two lines and nothing else
        first, last = np.flatnonzero(row.numpy() == 0)
        assert (abs(first - 9.5), abs(last - 29.5)) == (0.5, 0.5)


def test_a_line_ends_where_its_contrast_is_below_the_lower_threshold() -> None:
    """Without gradient elsewhere the upper threshold is 0.4 of the strongest and the lower one 0.4 of that, 0.16 of the strongest."""
    image = torch.zeros(1, 3, 100, 100)
    image[:, :, :, 45:55] = torch.linspace(1, 0, 100)[:, None]
    rows = np.flatnonzero((EDGES.perturb(clean(image), 1).images[0, 0, :, 43:47] == 0).any(dim=1).numpy())
    assert rows.tolist() == list(range(rows[0], rows[-1] + 1))
    assert abs(rows[-1] - 84) <= 2


def test_a_mask_gives_the_outline_without_the_texture_inside() -> None:
    split = loading.load(CUES, "test")
    batch = making.clean(split, torch.arange(20))
    found = EDGES.perturb(batch, 0.5).images[:, 0] == 0
    assert batch.masks is not None
    masks = batch.masks[:, None].float()
    near = torch.nn.functional.max_pool2d(masks, 5, 1, 2) + torch.nn.functional.max_pool2d(1 - masks, 5, 1, 2) == 2
    assert not (found & ~near[:, 0]).any()
    without = EDGES.perturb(Clean(batch.images, batch.keys), 0.5).images[:, 0] == 0
    assert without.sum() > 1.3 * found.sum()  # the textures' lines


def test_the_same_whatever_the_batch_and_contrast() -> None:
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    whole = EDGES.perturb(clean(images), 1).images
    assert torch.equal(torch.cat([EDGES.perturb(clean(each[None]), 1).images for each in images]), whole)
    fainter = EDGES.perturb(clean(0.25 + images / 2), 1).images
    assert (fainter != whole).float().mean() < 0.01


def test_an_image_of_one_colour_has_no_edges() -> None:
    assert (EDGES.perturb(clean(torch.full((2, 3, 9, 9), 0.4)), 1).images == 1).all()


@pytest.mark.parametrize("strength", [0, -1, 9, float("nan")])
def test_smoothing_without_a_meaning_is_refused(strength: float) -> None:
    with pytest.raises(UserError, match=r"The smoothing of edges is .*; it should be a number from 0\.3 to 8"):
        EDGES.perturb(clean(torch.rand(1, 3, 16, 16)), strength)
