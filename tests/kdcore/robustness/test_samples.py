import dataclasses

import numpy as np
import pytest

from kdcore.recipe import DataRecipe
from kdcore.robustness import samples
from kdcore.robustness.networks import described

DATA = DataRecipe(name="cues", image_size=32)


def test_a_larger_sample_begins_with_a_smaller_one(store):
    small, large = samples.load(DATA, 20), samples.load(DATA, 45)
    assert np.bincount(small.split.targets).tolist() == [2] * 10
    np.testing.assert_array_equal(small.split.images, large.split.images[:20])
    np.testing.assert_array_equal(small.split.targets, large.split.targets[:20])
    np.testing.assert_array_equal(small.split.extras["masks"], large.split.extras["masks"][:20])
    assert small.identity == large.identity


def test_without_a_number_there_are_all_test_images(store):
    assert len(samples.load(DATA)) == samples.most_images(DATA) == 60


def test_images_times_classes_are_limited(store, monkeypatch):
    monkeypatch.setattr(samples, "MOST_NUMBERS", 300)
    assert len(samples.load(DATA, 50)) == samples.most_images(DATA) == 30


def test_too_few_images_are_refused(store):
    with pytest.raises(ValueError, match="The number of images is 0; 1 to 60 were expected"):
        samples.load(DATA, 0)


def test_images_that_are_not_on_this_machine_are_not_downloaded(store):
    with pytest.raises(
        ValueError, match="The test images of cifar10 are not in .*: a run with this data downloads them"
    ):
        samples.load(DataRecipe(name="cifar10", image_size=32), 10)


def test_networks_that_do_not_fit_together_are_refused_with_the_reason(store, files):
    one = described(files["cnn"], store)
    assert samples.common_data([one, described(files["vit"], store)]) == DATA

    def refused(**changes) -> str:
        other = dataclasses.replace(one, reference="other", **changes)
        with pytest.raises(
            ValueError, match=r"and other cannot be evaluated on the same images: .* Choose networks of the same data"
        ) as found:
            samples.common_data([one, other])
        return str(found.value)

    assert "the one is for cues, the other for cifar10" in refused(data=DataRecipe(name="cifar10", image_size=32))
    assert "has 10 classes (" in refused(classes=("circle", "star"))
    other_seed = DATA.model_copy(update={"seed": 1})
    assert "held out different test images of the folder" in refused(data=other_seed)
    with pytest.raises(ValueError, match="Choose at least one network"):
        samples.common_data([])


def test_the_identity_follows_from_the_data_alone(store):
    assert samples.identity(DATA) == samples.identity(DataRecipe(name="cues", image_size=32))
    assert samples.identity(DATA) != samples.identity(DATA.model_copy(update={"image_size": 64}))
