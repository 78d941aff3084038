"""RandAugment's operations are torchvision's, pixel by pixel; whole batches give what single images give."""

import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode, RandAugment

from kdcore.data.augment import Augmentation, Drawn, generator, operations
from kdcore.recipe.data import RandAugment as Settings

IMAGES = torch.randint(0, 256, (6, 33, 33, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
THEIRS = {name: "".join(part.title() for part in name.split("_")) for name in operations.OPERATIONS} | {
    "autocontrast": "AutoContrast"
}


def torchvisions(image, name, magnitude, sign):
    transform = RandAugment(interpolation=InterpolationMode.BILINEAR)
    values, signed = transform._AUGMENTATION_SPACE[THEIRS[name]]
    strengths = values(31, 33, 33)
    strength = 0.0 if strengths is None else float(strengths[magnitude]) * (sign if signed else 1)
    return transform._apply_image_or_video_transform(
        image, THEIRS[name], strength, interpolation=transform.interpolation, fill=transform._fill
    )


def test_the_operations_are_those_of_torchvision_in_its_order():
    assert [THEIRS[name] for name in operations.OPERATIONS] == list(RandAugment._AUGMENTATION_SPACE)
    signed = [signed for _, signed in operations.OPERATIONS.values()]
    assert signed == [signed for _, signed in RandAugment._AUGMENTATION_SPACE.values()]


@pytest.mark.parametrize("name", operations.OPERATIONS)
@pytest.mark.parametrize("magnitude", [0, 5, 9, 16, 30])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_operation_is_torchvision_s_to_the_pixel(name, magnitude, sign):
    code = 2 * list(operations.OPERATIONS).index(name) + (sign < 0)
    found = operations.applied(IMAGES.clone(), torch.full((6, 1), code), magnitude)
    for image, one in zip(IMAGES, found, strict=True):
        expected = torchvisions(image.permute(2, 0, 1), name, magnitude, sign)
        assert torch.equal(one.permute(2, 0, 1), expected)


def test_each_image_gets_its_own_operations_in_their_order():
    drawn = operations.draw(6, 3, generator(4))
    assert len(drawn.unique()) > 5
    found = operations.applied(IMAGES.clone(), drawn, 9)
    names = list(operations.OPERATIONS)
    for image, codes, one in zip(IMAGES, drawn.tolist(), found, strict=True):
        expected = image.permute(2, 0, 1)
        for code in codes:
            expected = torchvisions(expected, names[code // 2], 9, -1 if code % 2 else 1)
        assert torch.equal(one.permute(2, 0, 1), expected)


def test_every_operation_is_drawn_alike_in_both_directions_and_apart_from_the_others():
    drawn = operations.draw(14_000, 2, generator(0))
    counts = torch.bincount(drawn[:, 0], minlength=28)
    assert len(counts) == 28
    assert (counts - 500).abs().max() < 100  # 4.5 standard deviations
    same = (drawn[:, 0] == drawn[:, 1]).float().mean().item()
    assert same == pytest.approx(1 / 28, abs=0.007)


def test_the_settings_of_the_recipe_reach_the_images():
    settings = Augmentation(rand_augment=Settings(operations=1, magnitude=30))
    drawn = settings.draw(6, (33, 33), (0,))
    assert drawn.operations.shape == (6, 1)
    brightness = torch.full((6, 1), 2 * list(operations.OPERATIONS).index("brightness"))
    found = settings.apply(IMAGES.clone(), Drawn(drawn.basic, operations=brightness))
    expected = torch.stack([torchvisions(image.permute(2, 0, 1), "brightness", 30, 1) for image in IMAGES])
    torch.testing.assert_close(found, expected / 255)
