import pytest
import torch

from kdcore.data import loading, perturbations
from kdcore.data.perturbations import making
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe

SILHOUETTES = perturbations.get("silhouettes")
CUES = DataRecipe(name="cues", image_size=24, train_images=20, test_images=20)


def test_black_where_the_object_is_and_white_elsewhere() -> None:
    split = loading.load(CUES, "test")
    found = torch.cat([each.images for _, each in making.batches(split, SILHOUETTES, 1, size=7)])
    assert torch.equal(found, (~split.extras["masks"])[:, None].float().expand(-1, 3, -1, -1))
    assert SILHOUETTES.why_not(split) == ""


def test_images_without_masks_are_refused() -> None:
    split = loading.load(CUES, "test")
    bare = split.at(torch.arange(3))
    assert "it needs masks of the objects" in SILHOUETTES.why_not(bare)
    with pytest.raises(UserError, match="this image has none: choose an image of cues"):
        SILHOUETTES.perturb(making.clean(bare, torch.arange(3)), 1)
