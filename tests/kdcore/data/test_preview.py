import numpy as np
import pytest

from kdcore.data import loading
from kdcore.data.preview import preview
from kdcore.recipe import DataRecipe

SMALL = DataRecipe(image_size=16, train_images=200, test_images=100, validation=0.2)


def changed(**settings):
    return SMALL.model_copy(update=settings)


def test_one_image_of_each_class_in_the_order_of_the_classes():
    shown = preview(SMALL, 10)
    assert shown.images.shape == (10, 16, 16, 3)
    assert shown.images.dtype == np.uint8
    assert shown.labels == shown.truths == loading.classes(SMALL)


def test_they_are_training_images_with_their_own_labels():
    shown, split = preview(SMALL, 4), loading.load(SMALL, "train")
    pictures = split.images.permute(0, 2, 3, 1).contiguous().numpy()
    for image, label in zip(shown.images, shown.labels, strict=True):
        (place,) = [n for n, picture in enumerate(pictures) if np.array_equal(picture, image)]
        assert split.classes[split.targets[place]] == label


def test_augmentation_is_seen_and_another_seed_draws_anew():
    plain, shifted = preview(SMALL, 6), preview(changed(augment=("crop", "jitter")), 6)
    assert not np.array_equal(plain.images, shifted.images)
    assert not np.array_equal(plain.images, preview(SMALL, 6, seed=1).images)
    assert np.array_equal(plain.images, preview(SMALL, 6).images)


def test_withheld_and_wrong_labels_are_shown_as_the_student_gets_them():
    few = preview(changed(labels=10), 10)
    assert None in few.labels
    assert all(label in (None, truth) for label, truth in zip(few.labels, few.truths, strict=True))
    wrong = preview(changed(label_noise=1.0), 10)
    assert all(label != truth for label, truth in zip(wrong.labels, wrong.truths, strict=True))


def test_data_that_is_missing_says_so():
    with pytest.raises(ValueError, match="There is no folder"):
        preview(DataRecipe(name="folder", path="/nowhere/at/all"), 4)


def test_mixed_images_are_labelled_with_both_shares_and_wrong_labels_still_differ():
    shown = preview(changed(mixup=1.0), 10)
    assert shown.labels == shown.truths
    two = [label for label in shown.labels if " + " in label]
    assert len(two) > 5
    own, other = (part.rsplit(" ", 2) for part in two[0].split(" + "))
    assert {own[0], other[0]} <= set(loading.classes(SMALL))
    assert int(own[1]) + int(other[1]) == 100
    wrong = preview(changed(mixup=1.0, label_noise=0.9), 10)
    assert any(label != truth for label, truth in zip(wrong.labels, wrong.truths, strict=True))
    withheld = preview(changed(mixup=1.0, labels=10), 10)
    assert None in withheld.labels
