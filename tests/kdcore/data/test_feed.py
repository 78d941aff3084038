import pytest
import torch

from kdcore import data
from kdcore.outputs import NO_LABEL

ALL = ("flip", "crop", "jitter", "rotation")


@pytest.fixture(scope="module")
def split():
    images = torch.randint(0, 256, (50, 16, 16, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    return data.Split("train", ("a", "b"), images, torch.arange(50) % 2)


def same(one, other):
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("images", "targets", "indices"))


@pytest.mark.parametrize("start", [1, 3, 6])
def test_an_epoch_continues_exactly_from_any_batch(split, start):
    whole = list(data.batches(split, 8, seed=3, epoch=2, augment=ALL))
    torch.manual_seed(start)  # what others draw changes nothing
    rest = list(data.batches(split, 8, seed=3, epoch=2, augment=ALL, start=start))
    assert len(rest) == len(whole) - start
    assert all(same(a, b) for a, b in zip(rest, whole[start:], strict=True))


def test_an_epoch_visits_every_image_once(split):
    indices = torch.cat([batch.indices for batch in data.batches(split, 8, seed=0, epoch=0)])
    assert sorted(indices.tolist()) == list(range(50))


def test_images_and_targets_are_those_of_the_indices(split):
    for batch in data.batches(split, 8, seed=0, epoch=0):
        assert torch.equal(batch.targets, split.targets[batch.indices])
        torch.testing.assert_close(batch.images, split.images[batch.indices] / 255)


def test_epochs_and_seeds_have_orders_of_their_own(split):
    first, second, other = (
        next(data.batches(split, 50, seed=seed, epoch=epoch)).indices.tolist()
        for seed, epoch in ((0, 0), (0, 1), (1, 0))
    )
    assert first != second
    assert first != other


def test_the_order_does_not_depend_on_the_augmentation(split):
    plain, changed = (next(data.batches(split, 50, seed=0, epoch=0, augment=names)).indices for names in ((), ALL))
    assert torch.equal(plain, changed)


def test_without_shuffling_images_come_in_their_order(split):
    assert next(data.batches(split, 8, seed=0, epoch=0, shuffle=False)).indices.tolist() == list(range(8))


@pytest.mark.parametrize("drop_last, steps", [(False, 7), (True, 6)])
def test_steps_per_epoch_counts_the_batches(split, drop_last, steps):
    assert data.steps_per_epoch(50, 8, drop_last) == steps
    assert len(list(data.batches(split, 8, seed=0, epoch=0, drop_last=drop_last))) == steps


def test_augmenting_leaves_the_split_as_it_was(split):
    before = split.images.clone()
    list(data.batches(split, 8, seed=0, epoch=0, augment=ALL, shuffle=False))
    assert torch.equal(split.images, before)


def test_withheld_labels_travel_as_no_label(split):
    hidden = data.Split("train", split.classes, split.images, torch.full((50,), NO_LABEL))
    assert next(data.batches(hidden, 8, seed=0, epoch=0)).targets.eq(NO_LABEL).all()
