import pytest
import torch
import torch.nn.functional as F

from kdcore.data import augment

IMAGES = torch.randint(0, 256, (16, 24, 24, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
ONES = torch.ones(16)


def as_floats(images):
    return images.permute(0, 3, 1, 2) / 255


def drawn(*names, seed=0):
    return augment.augmented(IMAGES.clone(), names, augment.drawn(16, torch.Generator().manual_seed(seed)))


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
