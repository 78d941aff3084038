"""A test split through two bundled networks."""

import numpy as np
import pytest
import torch

from kdcore.data import loading
from kdcore.inspection import gallery
from kdcore.recipe import DataRecipe
from kdcore.store import Store


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    return Store(tmp_path / "runs")


def test_both_networks_see_the_students_own_test_images(store):
    threads = torch.get_num_threads()
    *_, found = gallery.look_through("cues-teacher", "cues-student", store, map_name="grad_cam", at_most=20)
    assert torch.get_num_threads() == threads
    assert (len(found), found.total) == (20, 20)
    assert (found.teacher.predicted == found.targets).mean() >= 0.9  # else they are not its images, or not its labels
    assert found.untrained is not None
    assert np.isfinite(found.untrained.probabilities).all()
    split = loading.load(DataRecipe(), "test", at_most=20)
    place = int(found.places[7])
    picture = gallery.picture("cues-student", store, place, at_most=20)
    np.testing.assert_array_equal(picture, split.images[place].permute(1, 2, 0))
    np.testing.assert_array_equal(picture, found.thumbnails[7])


def test_images_that_would_have_to_be_downloaded_are_not(store):
    with pytest.raises(
        ValueError, match=r"The test images of cifar10 are not in .*data: a run with this data fetches them"
    ):
        next(gallery.look_through("cifar10-teacher", "cifar10-student", store))


def test_a_map_that_one_of_them_cannot_have_is_refused(store):
    with pytest.raises(
        ValueError, match="Attention rollout is not defined for this model, because it has no class token"
    ):
        next(gallery.look_through("cues-teacher", "cues-student", store, map_name="rollout", at_most=20))
