import numpy as np
import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import making
from kdcore.data.perturbations.preview import preview
from kdcore.errors import UserError
from tests.kdcore.data.perturbations.samples import split


def test_some_images_of_a_split_as_networks_get_them() -> None:
    given = split(n=6)
    ((_, batch),) = making.batches(given, perturbations.get("fog"), 3)
    found = preview(given, "fog", 3, places=[4, 1, 99])
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, (batch.images[[4, 1]] * 255).round().byte().permute(0, 2, 3, 1).numpy())
    assert len(preview(given, "patch_scramble")) == 6


def test_an_image_without_a_label() -> None:
    image = split().images[0].permute(1, 2, 0).numpy()
    found = preview(image, "contrast", 5)
    assert (found.shape, found.dtype) == ((32, 32, 3), np.uint8)
    assert found.std() < 0.3 * image.std()
    with pytest.raises(UserError, match="Fourier cue conflict cannot be made from this image: it needs images of two"):
        preview(image, "fourier_cue_conflict")


def test_a_conflict_for_an_image_without_a_label_is_with_any_class() -> None:
    given = split(n=6)
    conflict = perturbations.get("fourier_cue_conflict")
    conflict.prepare(given)
    batch = making.clean(given, torch.arange(6))
    alone = perturbations.Clean(batch.images, batch.keys)
    assert set(conflict.perturb(alone, 1).textures.tolist()) <= {0, 1, 2}
