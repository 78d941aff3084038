import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import Clean, randomness
from kdcore.errors import UserError

SCRAMBLE = perturbations.get("patch_scramble")


def clean(n: int = 6, side: int = 16) -> Clean:
    pixels = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Clean(pixels.float() / 255, randomness.keys(pixels))


def test_every_tile_is_still_there_whole() -> None:
    batch = clean(side=6)
    found = SCRAMBLE.perturb(batch, 2).images

    def tiles(image: torch.Tensor) -> list[bytes]:
        corners = [(row, column) for row in (0, 3) for column in (0, 3)]
        return sorted(image[:, row : row + 3, column : column + 3].numpy().tobytes() for row, column in corners)

    for before, after in zip(batch.images, found, strict=True):
        assert tiles(before) == tiles(after)
    assert not torch.equal(found, batch.images)


def test_pixels_beyond_the_last_whole_tile_stay() -> None:
    batch = clean(side=17)
    found = SCRAMBLE.perturb(batch, 4).images
    assert torch.equal(found[:, :, 16:], batch.images[:, :, 16:])
    assert torch.equal(found[:, :, :, 16:], batch.images[:, :, :, 16:])


def test_an_order_of_its_own_for_each_image() -> None:
    batch = clean()
    same = Clean(batch.images[:1].expand(6, -1, -1, -1), batch.keys)
    assert len({image.numpy().tobytes() for image in SCRAMBLE.perturb(same, 4).images}) == 6


@pytest.mark.parametrize("strength", [0, 2.5, 17])
def test_a_grid_that_is_no_grid_is_refused(strength: float) -> None:
    with pytest.raises(UserError, match="should be a whole number from 1 to 16"):
        SCRAMBLE.perturb(clean(), strength)
