import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import adjust_brightness, adjust_contrast, adjust_saturation, rotate

from kdcore.data.augment import Augmentation, Drawn
from kdcore.data.augment import basic as augment

IMAGES = torch.randint(0, 256, (16, 24, 24, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
ONES = torch.ones(16)


def as_floats(images):
    return images.permute(0, 3, 1, 2) / 255


def drawn(*names, seed=0):
    settings = Augmentation(names)
    return settings.apply(IMAGES.clone(), settings.draw(16, (24, 24), (seed,)))


@pytest.mark.parametrize(
    "names", [(), ("flip",), ("crop",), ("jitter",), ("rotation",), ("flip", "crop", "jitter", "rotation")]
)
def test_images_stay_in_the_unit_range_and_channels_last(names):
    images = drawn(*names)
    assert images.shape == (16, 3, 24, 24)
    assert images.dtype == torch.float32
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_without_augmentation_pixels_are_divided_by_255():
    torch.testing.assert_close(drawn(), as_floats(IMAGES), rtol=0, atol=1e-7)


def test_the_same_generator_augments_alike():
    names = ("flip", "crop", "jitter", "rotation")
    assert torch.equal(drawn(*names), drawn(*names))
    assert not torch.equal(drawn(*names), drawn(*names, seed=1))


def test_flip_mirrors_some_images_and_leaves_the_others():
    images, before = drawn("flip"), as_floats(IMAGES)
    flipped = [torch.allclose(image, old.flip(2)) for image, old in zip(images, before, strict=True)]
    same = [torch.allclose(image, old) for image, old in zip(images, before, strict=True)]
    assert any(flipped)
    assert any(same)
    assert all(a != b for a, b in zip(flipped, same, strict=True))


def test_crop_is_a_window_of_the_reflection_padded_image():
    down, right = torch.rand(16), torch.rand(16)
    padded = F.pad(as_floats(IMAGES), (3, 3, 3, 3), mode="reflect")  # an eighth of 24
    tops, lefts = (down * 7).long(), (right * 7).long()
    expected = torch.stack([p[:, t : t + 24, x : x + 24] for p, t, x in zip(padded, tops, lefts, strict=True)])
    torch.testing.assert_close(as_floats(augment.crop(IMAGES, down, right)), expected)


def test_the_gather_of_a_gpu_cuts_what_the_slices_of_a_cpu_cut():
    tops, lefts = torch.randint(0, 9, (2, 16))
    assert torch.equal(augment._gathered(IMAGES, tops, lefts, 16, 16), augment._sliced(IMAGES, tops, lefts, 16, 16))


def test_jitter_without_change_changes_nothing():
    before = as_floats(IMAGES)
    torch.testing.assert_close(augment.jitter(before.clone(), ONES, ONES, ONES), before)


def test_brightness_multiplies():
    before = as_floats(IMAGES)
    torch.testing.assert_close(augment.jitter(before.clone(), 1.2 * ONES, ONES, ONES), (1.2 * before).clamp(0, 1))


def test_without_contrast_an_image_is_its_mean_grey():
    before = 0.5 * as_floats(IMAGES)
    grey = (before * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1).mean((1, 2))
    after = augment.jitter(before.clone(), ONES, 0 * ONES, 0 * ONES)
    torch.testing.assert_close(after, grey.view(-1, 1, 1, 1).expand_as(after))


def test_without_saturation_an_image_is_grey():
    after = augment.jitter(as_floats(IMAGES), ONES, ONES, 0 * ONES)
    torch.testing.assert_close(after[:, 0], after[:, 2])


def test_rotation_by_nothing_changes_nothing():
    torch.testing.assert_close(augment.rotate(as_floats(IMAGES), 0 * ONES), as_floats(IMAGES))


def test_rotation_by_a_quarter_turns_counter_clockwise():
    turned = augment.rotate(as_floats(IMAGES), torch.pi / 2 * ONES)
    torch.testing.assert_close(turned, as_floats(IMAGES).rot90(dims=(2, 3)), atol=1e-4, rtol=0)


ALMOST_ONE = 1 - 2**-24


def with_chance(images, name, **columns):
    """Augmented with chance 0.5 in all columns but those named, as in `c1=0.0`."""
    chance = torch.full((len(images), 7), 0.5)
    for column, value in columns.items():
        chance[:, int(column[1:])] = value
    return Augmentation((name,)).apply(images.clone(), Drawn(chance))


def test_crop_draws_its_two_axes_apart():
    padded = F.pad(as_floats(IMAGES), (3, 3, 3, 3), mode="reflect")
    torch.testing.assert_close(with_chance(IMAGES, "crop", c1=0.0, c2=ALMOST_ONE), padded[:, :, :24, 6:])
    torch.testing.assert_close(with_chance(IMAGES, "crop", c1=ALMOST_ONE, c2=0.0), padded[:, :, 6:, :24])
    torch.testing.assert_close(with_chance(IMAGES, "crop"), as_floats(IMAGES))


@pytest.mark.parametrize(
    "column, adjust", [("c3", adjust_brightness), ("c4", adjust_contrast), ("c5", adjust_saturation)]
)
@pytest.mark.parametrize("chance, factor", [(0.0, 0.7), (0.25, 0.85), (0.5, 1.0), (ALMOST_ONE, 1.3)])
def test_jitter_weakens_and_strengthens_by_30_percent_as_torchvision_does(column, adjust, chance, factor):
    images = 64 + IMAGES // 2  # nothing leaves the unit range
    expected = adjust(as_floats(images), factor)
    torch.testing.assert_close(with_chance(images, "jitter", **{column: chance}), expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("chance, degrees", [(0.0, -15.0), (0.25, -7.5), (0.5, 0.0), (ALMOST_ONE, 15.0)])
def test_rotation_turns_both_ways_by_at_most_15_degrees_as_torchvision_does(chance, degrees):
    expected = rotate(as_floats(IMAGES), degrees, InterpolationMode.BILINEAR)
    inside = slice(5, 19)  # further out torchvision fills with black
    found = with_chance(IMAGES, "rotation", c6=chance)
    torch.testing.assert_close(found[:, :, inside, inside], expected[:, :, inside, inside], atol=1e-4, rtol=0)


def test_each_augmentation_draws_on_its_own():
    """No two of the seven numbers of an image are the same, nor those of two images."""
    chance = augment.random_numbers(16, torch.Generator().manual_seed(0))
    assert chance.shape == (16, 7)
    assert len(chance.unique()) == 16 * 7
    assert 0 <= chance.min() < 0.1
    assert 0.9 < chance.max() < 1
