import pytest
import torch

from kdcore.data import loading
from kdcore.recipe import DataRecipe
from kdcore.tensors.outputs import NO_LABEL

SMALL = DataRecipe(image_size=16, train_images=200, test_images=100, validation=0.2)


def changed(**settings):
    return SMALL.model_copy(update=settings)


def test_a_split_is_one_uint8_tensor_with_its_targets():
    split = loading.load(SMALL, "train")
    assert split.images.shape == (160, 3, 16, 16)
    assert split.images.dtype == torch.uint8
    assert split.targets.shape == (160,)
    assert split.targets.dtype == torch.int64
    assert split.classes == loading.classes(SMALL)
    assert len(split) == 160


def test_validation_is_held_out_of_the_training_images_by_class():
    train, validation = loading.load(SMALL, "train"), loading.load(SMALL, "validation")
    assert validation.targets.bincount().tolist() == [4] * 10
    seen = {image.numpy().tobytes() for image in train.images.contiguous()}
    assert not any(image.numpy().tobytes() in seen for image in validation.images.contiguous())


def test_labels_keeps_that_many_balanced_over_the_classes():
    split = loading.load(changed(labels=50), "train")
    kept = split.targets[split.targets != NO_LABEL]
    assert len(split) == 160
    assert kept.bincount().tolist() == [5] * 10


def test_kept_labels_are_the_right_ones():
    some, every = loading.load(changed(labels=50), "train"), loading.load(SMALL, "train")
    kept = some.targets != NO_LABEL
    assert torch.equal(some.images, every.images)
    assert torch.equal(some.targets[kept], every.targets[kept])


def test_the_seed_decides_whose_labels_are_kept():
    one, same, other = (loading.load(changed(labels=50, seed=seed), "train").targets for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("split", ["validation", "test", "cue_conflict"])
def test_labels_are_withheld_from_training_images_alone(split):
    assert not loading.load(changed(labels=50), split).targets.eq(NO_LABEL).any()


@pytest.mark.parametrize("labels", [9, 161])
def test_too_few_or_too_many_labels_are_refused_with_the_range(labels):
    with pytest.raises(
        ValueError, match=rf"`data.labels` is {labels}, .* 160 training images here: choose 10 to 160, or `all`"
    ):
        loading.load(changed(labels=labels), "train")


def test_label_noise_makes_that_share_of_the_training_labels_wrong_and_says_so():
    told = []
    noisy = loading.load(changed(label_noise=0.25), "train", report=told.append)
    clean = loading.load(SMALL, "train")
    wrong = noisy.targets != clean.targets
    assert torch.equal(noisy.images, clean.images)
    assert wrong.sum() == 40  # a quarter of 160, each class hit alike
    assert clean.targets[wrong].bincount().tolist() == [4] * 10
    assert noisy.targets.ge(0).all()
    assert noisy.targets.lt(10).all()
    assert any("40 of 160 training labels are wrong on purpose (data.label_noise: 0.25)" in text for text in told)


def test_only_labels_that_are_kept_can_be_wrong():
    noisy = loading.load(changed(labels=50, label_noise=0.2), "train")
    kept = noisy.targets != NO_LABEL
    assert kept.sum() == 50
    assert (noisy.targets != noisy.truth)[kept].sum() == 10


def test_more_noise_holds_less_noise():
    little, much = (loading.load(changed(label_noise=share), "train") for share in (0.1, 0.4))
    wrong = little.targets != little.truth
    assert torch.equal(little.targets[wrong], much.targets[wrong])


@pytest.mark.parametrize("split", ["validation", "test", "cue_conflict"])
def test_noise_leaves_every_other_split_alone(split):
    assert torch.equal(loading.load(changed(label_noise=0.5), split).targets, loading.load(SMALL, split).targets)


@pytest.mark.parametrize("settings", [{"labels": 50}, {"label_noise": 0.3}, {"labels": 50, "label_noise": 0.3}])
def test_the_right_labels_come_back_for_whoever_may_have_them(settings):
    split = loading.load(changed(**settings), "train")
    assert torch.equal(split.with_every_label().targets, loading.load(SMALL, "train").targets)
    assert split.with_every_label().with_every_label().truth is None


def test_an_unknown_split_is_refused_with_those_that_exist():
    with pytest.raises(
        ValueError, match="Unknown split 'tset' of cues. Known splits: train, validation, test, cue_conflict"
    ):
        loading.load(SMALL, "tset")


def test_without_a_share_for_it_there_is_no_validation_split():
    assert loading.splits(changed(validation=0.0)) == ("train", "test", "cue_conflict")
    assert len(loading.load(changed(validation=0.0), "train")) == 200
    with pytest.raises(ValueError, match="`data.validation` is 0, so there are no validation images"):
        loading.load(changed(validation=0.0), "validation")


def test_a_seed_of_the_run_draws_training_data_anew_and_keeps_the_test_images():
    data = changed(seed="run", labels=50)
    one, other = data.of_run(1), data.of_run(2)
    for split in ("train", "validation"):
        first, second = loading.load(one, split), loading.load(other, split)
        assert first.images.shape == second.images.shape
        assert not torch.equal(first.images, second.images)
    assert torch.equal(loading.load(one, "test").images, loading.load(other, "test").images)
    assert torch.equal(loading.load(one, "train").images, loading.load(changed(seed=1, labels=50), "train").images)
    assert torch.equal(loading.load(one, "test").images, loading.load(changed(seed=0), "test").images)


def test_a_fixed_seed_is_the_same_for_every_run_and_decides_the_test_images_too():
    assert changed(seed=3).of_run(5) == changed(seed=3)
    own = loading.load(changed(seed=3), "test").images
    assert not torch.equal(own, loading.load(changed(seed=3, test_seed=4), "test").images)
    assert torch.equal(own, loading.load(changed(seed=7, test_seed=3), "test").images)
