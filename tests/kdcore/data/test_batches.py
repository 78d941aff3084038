import pytest
import torch

from kdcore.data.augment import Augmentation
from kdcore.data.batches import batches, steps_per_epoch
from kdcore.data.split import Split
from kdcore.tensors.outputs import NO_LABEL

ALL = Augmentation(("flip", "crop", "jitter", "rotation"))


@pytest.fixture(scope="module")
def split():
    images = torch.randint(0, 256, (50, 16, 16, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    return Split("train", ("a", "b"), images, torch.arange(50) % 2)


def same(one, other):
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("images", "targets", "indices"))


@pytest.mark.parametrize("start", [1, 3, 6])
def test_an_epoch_continues_exactly_from_any_batch(split, start):
    whole = list(batches(split, 8, seed=3, epoch=2, augment=ALL))
    torch.manual_seed(start)  # what others draw changes nothing
    rest = list(batches(split, 8, seed=3, epoch=2, augment=ALL, start=start))
    assert len(rest) == len(whole) - start
    assert all(same(a, b) for a, b in zip(rest, whole[start:], strict=True))


def test_an_epoch_visits_every_image_once(split):
    indices = torch.cat([batch.indices for batch in batches(split, 8, seed=0, epoch=0)])
    assert sorted(indices.tolist()) == list(range(50))


def test_images_and_targets_are_those_of_the_indices(split):
    for batch in batches(split, 8, seed=0, epoch=0):
        assert torch.equal(batch.targets, split.targets[batch.indices])
        torch.testing.assert_close(batch.images, split.images[batch.indices] / 255)


def test_epochs_and_seeds_have_orders_of_their_own(split):
    first, second, other = (
        next(batches(split, 50, seed=seed, epoch=epoch)).indices.tolist() for seed, epoch in ((0, 0), (0, 1), (1, 0))
    )
    assert first != second
    assert first != other


def test_the_order_does_not_depend_on_the_augmentation(split):
    plain, changed = (
        next(batches(split, 50, seed=0, epoch=0, augment=names)).indices for names in (Augmentation(), ALL)
    )
    assert torch.equal(plain, changed)


def test_without_shuffling_images_come_in_their_order(split):
    assert next(batches(split, 8, seed=0, epoch=0, shuffle=False)).indices.tolist() == list(range(8))


@pytest.mark.parametrize("size, smallest, sizes", [
    (8, 1, [8] * 6 + [2]), (8, 2, [8] * 6 + [2]), (7, 1, [7] * 7 + [1]), (7, 2, [7] * 6 + [8]), (64, 2, [50]), (49, 2, [50]),
])  # fmt: skip
def test_a_last_batch_that_is_too_small_joins_the_one_before(split, size, smallest, sizes):
    assert steps_per_epoch(50, size, smallest) == len(sizes)
    made = list(batches(split, size, seed=0, epoch=0, smallest=smallest))
    assert [len(batch.targets) for batch in made] == sizes
    assert sorted(torch.cat([batch.indices for batch in made]).tolist()) == list(range(50))
    rest = list(batches(split, size, seed=0, epoch=0, smallest=smallest, start=len(sizes) - 1))
    assert same(rest[0], made[-1])


def test_augmenting_leaves_the_split_as_it_was(split):
    before = split.images.clone()
    list(batches(split, 8, seed=0, epoch=0, augment=ALL, shuffle=False))
    assert torch.equal(split.images, before)


def test_withheld_labels_travel_as_no_label(split):
    hidden = Split("train", split.classes, split.images, torch.full((50,), NO_LABEL))
    assert next(batches(hidden, 8, seed=0, epoch=0)).targets.eq(NO_LABEL).all()


def of_images(batches):
    """Every image as it was shown: index -> pixels."""
    return {int(i): image for batch in batches for i, image in zip(batch.indices, batch.images, strict=True)}


def fixed(split, *, views=2, **changes):
    return batches(split, 8, **{"seed": 0, "epoch": 0, "augment": ALL, "views": views, "view_seed": 0, **changes})


def test_a_view_of_an_image_is_the_same_in_other_epochs_batches_and_seeds(split):
    first = of_images(fixed(split))
    for again in (
        fixed(split, epoch=2),
        fixed(split, seed=7),
        fixed(split, shuffle=False),
        fixed(split, views=1, epoch=5),
    ):
        assert all(torch.allclose(first[i], image) for i, image in of_images(again).items())


def test_views_and_view_seeds_differ(split):
    first = of_images(fixed(split))
    for other in (fixed(split, epoch=1), fixed(split, view_seed=1)):
        assert all(not torch.allclose(first[i], image, atol=1e-3) for i, image in of_images(other).items())


def test_views_come_in_turn_and_each_batch_says_which(split):
    assert [next(fixed(split, views=3, epoch=epoch)).view for epoch in range(5)] == [0, 1, 2, 0, 1]
    assert next(batches(split, 8, seed=0, epoch=0)).view is None


def test_fixed_views_leave_the_order_as_it_is(split):
    assert torch.equal(next(fixed(split)).indices, next(batches(split, 8, seed=0, epoch=0)).indices)


def test_an_epoch_of_a_view_continues_from_any_batch(split):
    whole, rest = list(fixed(split)), list(fixed(split, start=3))
    assert all(same(a, b) for a, b in zip(rest, whole[3:], strict=True))
