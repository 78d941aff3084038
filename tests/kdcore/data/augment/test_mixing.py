"""Mixtures are timm's: images, labels, and the distribution of ratios and boxes."""

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from timm.data import mixup
from timm.loss import SoftTargetCrossEntropy

from kdcore.data.augment import generator, mixing
from kdcore.methods.ce import CE
from kdcore.recipe import DataRecipe
from kdcore.tensors.outputs import NO_LABEL, Batch, Outputs, Shapes

IMAGES = torch.rand(8, 3, 20, 30, generator=generator(0))
TARGETS = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])


def batch(targets=TARGETS):
    return Batch(IMAGES[: len(targets)].clone(), targets, torch.arange(len(targets)))


def timms(monkeypatch, share, centre=None, smoothing=0.0):
    """timm's mixture with a given ratio, and a box around a given place."""
    made = mixup.Mixup(mixup_alpha=1.0, cutmix_alpha=1.0, num_classes=4, label_smoothing=smoothing)
    monkeypatch.setattr(made, "_params_per_batch", lambda: (share, centre is not None))
    places = iter(centre or ())
    monkeypatch.setattr(np.random, "randint", lambda low, high, size=None: next(places))
    return made(IMAGES.clone(), TARGETS)


def in_shares(found):
    """The mixed labels as shares of the classes."""
    own, other = (torch.nn.functional.one_hot(each, 4) for each in (found.targets, found.other_targets))
    return found.share * own + (1 - found.share) * other


@pytest.mark.parametrize("share", [0.1, 0.5, 0.83])
def test_mixup_is_timm_s(monkeypatch, share):
    images, labels = timms(monkeypatch, share)
    found = mixing.mixed(batch(), mixing.Mixture(share))
    torch.testing.assert_close(found.images, images)
    torch.testing.assert_close(in_shares(found), labels)


@pytest.mark.parametrize(
    ("share", "centre"), [(0.5, (10, 15)), (0.9, (0, 0)), (0.1, (19, 29)), (0.3, (2, 28)), (0.7, (11, 4))]
)
def test_cutmix_is_timm_s_with_the_share_of_what_is_inside(monkeypatch, share, centre):
    images, labels = timms(monkeypatch, share, centre)
    box = mixing._box((20, 30), share, centre)
    covered = (box[1] - box[0]) * (box[3] - box[2]) / 600
    found = mixing.mixed(batch(), mixing.Mixture(1 - covered, box))
    assert torch.equal(found.images, images)
    torch.testing.assert_close(in_shares(found), labels)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_with_mixed_labels_is_timm_s(monkeypatch, smoothing):
    _, labels = timms(monkeypatch, 0.7, smoothing=smoothing)
    logits = torch.randn(8, 4, generator=generator(1))
    found = mixing.mixed(batch(), mixing.Mixture(0.7))
    shapes = Shapes(classes=4, pooled=4, features=(), attention=())
    loss = CE(shapes, None, smoothing=smoothing)(Outputs(logits, logits), None, found, 1.0)
    torch.testing.assert_close(loss, SoftTargetCrossEntropy()(logits, labels))


def drawn(count=4000, side=(20, 30), **settings):
    data = DataRecipe(**settings)
    return [mixing.draw(data, side, (0, 0, number)) for number in range(count)]


def alike(one, other):
    return ks_2samp(one, other).pvalue > 0.001


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_ratios_and_boxes_are_distributed_as_timm_s(alpha):
    np.random.seed(0)  # noqa: NPY002 (timm draws from it)
    theirs = mixup.Mixup(mixup_alpha=alpha, cutmix_alpha=0)
    found = [each.share for each in drawn(mixup=alpha)]
    assert alike(found, [theirs._params_per_batch()[0] for _ in range(4000)])
    theirs = mixup.Mixup(mixup_alpha=0, cutmix_alpha=alpha)
    boxes = [mixup.cutmix_bbox_and_lam((3, 20, 30), theirs._params_per_batch()[0]) for _ in range(4000)]
    cut = drawn(cutmix=alpha)
    assert alike([each.share for each in cut], [share for _, share in boxes])
    for edge in range(4):
        assert alike([each.box[edge] for each in cut], [int(box[edge]) for box, _ in boxes])


def test_boxes_are_placed_on_each_axis_apart():
    boxes = np.array([each.box for each in drawn(cutmix=1.0, side=(64, 64))])
    small = boxes[(boxes[:, 1] - boxes[:, 0]) < 20]
    assert len(small) > 200
    assert abs(np.corrcoef(small[:, 0], small[:, 2])[0, 1]) < 4 / len(small) ** 0.5


def test_how_often_batches_are_mixed_and_cut():
    found = drawn(mixup=0.2, cutmix=1.0, mix_probability=0.6)
    mixed = [each for each in found if each]
    assert len(mixed) / 4000 == pytest.approx(0.6, abs=0.03)
    assert sum(each.box is not None for each in mixed) / len(mixed) == pytest.approx(0.5, abs=0.04)
    assert not any(drawn(20)) and not any(drawn(20, mixup=1.0, mix_probability=0))  # noqa: PT018 (one claim)


def test_the_mixture_of_a_batch_follows_from_its_seed():
    assert drawn(20, mixup=0.2, cutmix=1.0) == drawn(20, mixup=0.2, cutmix=1.0)
    assert len({each.share for each in drawn(20, mixup=0.2)}) == 20


def test_images_are_mixed_with_the_opposite_one():
    assert mixing.partners(torch.arange(5)).tolist() == [4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ([7, -1, 8, -1, -1, 9], [5, 4, 2, 3, 1, 0]),  # 7 with 9, 8 by itself; the second with the fifth, the fourth by itself
        ([-1, -1, 3], [1, 0, 2]),
        ([-1, -1], [1, 0]),
    ],
)  # fmt: skip
def test_images_with_a_label_are_mixed_among_themselves_and_so_are_those_without(targets, expected):
    targets = torch.tensor(targets)
    assert mixing.partners(targets).tolist() == expected
    found = mixing.mixed(batch(targets), mixing.Mixture(0.6))
    assert torch.equal(found.targets == NO_LABEL, found.other_targets == NO_LABEL)
    torch.testing.assert_close(found.images, 0.6 * IMAGES[: len(targets)] + 0.4 * IMAGES[expected])


def test_parts_of_a_mixed_batch_keep_both_labels():
    found = mixing.mixed(batch(), mixing.Mixture(0.6)).rows(slice(2, 5))
    assert (found.share, found.targets.tolist(), found.other_targets.tolist()) == (0.6, [2, 3, 0], [1, 0, 3])
