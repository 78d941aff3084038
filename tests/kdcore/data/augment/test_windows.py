"""Windows are drawn and resized as torchvision does."""

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms.v2 import RandomErasing, RandomResizedCrop
from torchvision.transforms.v2.functional import resized_crop

from kdcore.data.augment import Augmentation, generator, windows
from kdcore.recipe.data import ResizedCrop

COUNT = 3000
SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)


def torchvisions(transform, side, names, count=COUNT):
    torch.manual_seed(1)
    image = [torch.empty(3, *side)]
    drawn = (transform.make_params(image) for _ in range(count))
    return np.array([[float(each[name]) for name in names] for each in drawn])


def alike(one, other):
    """Whether two samples are of one distribution: Kolmogorov and Smirnov's test, at a level of one in a thousand."""
    return ks_2samp(one, other).pvalue > 0.001


@pytest.mark.parametrize("side", [(64, 64), (40, 90)])
@pytest.mark.parametrize(("scale", "ratio"), [(SCALE, RATIO), ((0.5, 0.9), (1.0, 2.0))])
def test_parts_are_distributed_as_torchvision_s(side, scale, ratio):
    found = windows.parts(COUNT, side, scale, ratio, generator(0)).double().numpy()
    expected = torchvisions(
        RandomResizedCrop(8, scale, ratio, antialias=True), side, ("top", "left", "height", "width")
    )
    for column in range(4):
        assert alike(found[:, column], expected[:, column]), column
    assert alike(found[:, 2] * found[:, 3], expected[:, 2] * expected[:, 3])  # area
    assert alike(found[:, 3] / found[:, 2], expected[:, 3] / expected[:, 2])  # width / height


def test_the_two_axes_of_a_part_and_of_a_patch_are_drawn_apart():
    found = windows.parts(COUNT, (64, 64), (0.25, 0.25), (1.0, 1.0), generator(0)).double()
    patches, _ = windows.patches(COUNT, (64, 64), 1.0, generator(0))
    for each in (found, patches.double()):
        assert abs(np.corrcoef(each[:, 0], each[:, 1])[0, 1]) < 0.08  # 4 standard errors


@pytest.mark.parametrize(
    ("side", "ratio", "expected"),
    [((20, 60), (0.5, 2.0), [0, 10, 20, 40]), ((60, 20), (0.5, 2.0), [10, 0, 40, 20]), ((30, 30), (0.5, 2.0), [0, 0, 30, 30])],
)  # fmt: skip
def test_where_no_attempt_fits_the_part_is_in_the_middle(side, ratio, expected):
    # an area larger than the image never fits
    assert windows.parts(3, side, (1.5, 1.6), ratio, generator(0)).tolist() == [expected] * 3
    transform = RandomResizedCrop(8, (1.5, 1.6), ratio, antialias=True)
    assert torchvisions(transform, side, ("top", "left", "height", "width"), count=1)[0].tolist() == expected


def test_a_part_is_resized_as_torchvision_does():
    images = torch.randint(0, 256, (12, 31, 44, 3), dtype=torch.uint8, generator=generator(0))
    parts = windows.parts(12, (31, 44), (0.05, 1.0), RATIO, generator(1))
    found = windows.resized(images, parts)
    assert (found.shape, found.dtype, found.is_contiguous()) == (images.shape, torch.uint8, True)
    for image, part, one in zip(images, parts.tolist(), found, strict=True):
        expected = resized_crop(image.permute(2, 0, 1).float(), *part, size=[31, 44], antialias=True)
        assert (one.permute(2, 0, 1) - expected).abs().max() < 0.502  # it is rounded


def test_a_whole_image_is_unchanged():
    images = torch.randint(0, 256, (2, 9, 7, 3), dtype=torch.uint8)
    assert torch.equal(windows.resized(images, torch.tensor([[0, 0, 9, 7]] * 2)), images)


@pytest.mark.parametrize("side", [(64, 64), (20, 90)])
def test_patches_are_distributed_as_torchvision_s(side):
    found, colours = windows.patches(COUNT, side, 1.0, generator(0))
    expected = torchvisions(RandomErasing(1.0, windows.ERASED, windows.ERASED_RATIO), side, "ijhw")
    expected[expected[:, 2] == side[0]] = 0  # where none fits, it erases nothing, and says so by the whole image
    for column in range(4):
        assert alike(found[:, column].double().numpy(), expected[:, column]), column
    ratio = [each[each[:, 2] > 0] for each in (found.double().numpy(), expected)]
    assert alike(*(each[:, 2] / each[:, 3] for each in ratio))  # height / width
    for colour in colours.T:
        assert alike(colour.numpy(), np.random.default_rng(0).random(COUNT))
    assert abs(np.corrcoef(colours.T)[0, 1]) < 0.08


def test_a_patch_is_erased_with_the_probability_of_the_recipe():
    found, _ = windows.patches(COUNT, (32, 32), 0.25, generator(0))
    assert (found[:, 2] > 0).float().mean().item() == pytest.approx(0.25, abs=0.03)  # 4 standard errors
    assert (found[found[:, 2] == 0] == 0).all()


def test_a_patch_has_its_colour_and_nothing_else_changes():
    pixels = torch.rand(2, 3, 10, 12, generator=generator(0))
    patches, colours = torch.tensor([[2, 3, 4, 5], [0, 0, 0, 0]]), torch.tensor([[0.1, 0.2, 0.3], [1.0, 1.0, 1.0]])
    expected = pixels.clone()
    expected[0, :, 2:6, 3:8] = colours[0].view(3, 1, 1)
    found = windows.erased(pixels, patches, colours)
    assert torch.equal(found, expected)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_settings_reach_the_view():
    images = torch.randint(0, 256, (8, 32, 32, 3), dtype=torch.uint8, generator=generator(0))
    plain = images.permute(0, 3, 1, 2).float() / 255
    crop = Augmentation(resized_crop=ResizedCrop(scale=(0.25, 0.25), ratio=(1.0, 1.0)))
    drawn = crop.draw(8, (32, 32), (3,))
    assert drawn.windows[:, 2:].tolist() == [[16, 16]] * 8
    assert not torch.equal(crop.apply(images.clone(), drawn), plain)
    erasing = Augmentation(erasing=1.0)
    found = erasing.apply(images.clone(), erasing.draw(8, (32, 32), (3,)))
    assert ((found != plain).any(1).flatten(1).sum(1) > 0.01 * 32 * 32).all()
