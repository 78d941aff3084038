import numpy as np
import pytest
import torch

from kdcore.data import loading
from kdcore.recipe import DataRecipe

WHOLE = DataRecipe(image_size=16, train_images=200, test_images=100, validation=0.2)
CLASSES = loading.classes(WHOLE)


def only(*names, **settings):
    return WHOLE.model_copy(update={"only": names, **settings})


def test_two_classes_of_ten_are_numbered_in_the_order_asked_for():
    split = loading.load(only(CLASSES[7], CLASSES[2]), "test")
    assert split.classes == (CLASSES[7], CLASSES[2])
    assert split.targets.unique().tolist() == [0, 1]
    swapped = loading.load(only(CLASSES[2], CLASSES[7]), "test")
    assert torch.equal(split.images, swapped.images)
    assert torch.equal(split.targets, 1 - swapped.targets)


def test_the_images_asked_for_are_counted_within_the_classes():
    for split, count in (("train", 160), ("validation", 40), ("test", 100)):
        assert loading.load(only(*CLASSES[:2]), split).targets.bincount().tolist() == [count // 2, count // 2]


def test_real_classes_keep_their_images(cifar10_folder, monkeypatch):
    monkeypatch.setenv("KD_DATA", str(cifar10_folder))
    settings = DataRecipe(name="cifar10", image_size=32, validation=0.0)
    whole = loading.load(settings, "test")
    pair = loading.load(settings.model_copy(update={"only": ("cat", "dog")}), "test")
    assert pair.targets.bincount().tolist() == [1000, 1000]
    dogs = whole.images[whole.targets == whole.classes.index("dog")]
    assert np.array_equal(pair.images[pair.targets == 1].numpy(), dogs.numpy())


def test_an_unknown_class_is_refused_with_the_nearest():
    near = CLASSES[3][:-1]
    with pytest.raises(
        ValueError, match=rf"names '{near}', which is not a class of this dataset. Did you mean '{CLASSES[3]}'"
    ):
        loading.load(only(CLASSES[0], near), "train")


@pytest.mark.parametrize("names", [(CLASSES[0],), (CLASSES[0], CLASSES[0])])
def test_one_class_alone_is_no_question(names):
    with pytest.raises(ValueError, match="`data.only` must name two or more different classes"):
        loading.classes(only(*names))
