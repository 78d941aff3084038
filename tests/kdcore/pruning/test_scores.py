"""Scores of channels, against values worked by hand."""

import pytest
import torch
from torch import nn

from kdcore.pruning import scores
from kdcore.pruning.dependencies import Group, Reader

LEFT = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])  # the teacher looks at the left half
# channel 0 fires on the left alone, channel 1 on the right alone, with equal energy; channel 2 everywhere, weaker
MAPS = torch.tensor([[[[2.0, 0.0], [2.0, 0.0]], [[0.0, 2.0], [0.0, 2.0]], [[1.0, 1.0], [1.0, 1.0]]]])


def group(count: int, *readers: Reader) -> Group:
    return Group("conv", count, readers, {}, {}, None)


def test_the_energy_where_the_teacher_looks_by_hand():
    """a is 2 on the left and 0 on the right: 2 (4 + 4), 0, and 2 (1 + 1)."""
    assert scores.energy_where(MAPS, LEFT).tolist() == [16, 0, 4]


def test_a_channel_that_fires_where_the_teacher_looks_survives_one_of_equal_energy_elsewhere():
    plain, attended = scores.energy_where(MAPS, None), scores.energy_where(MAPS, LEFT)
    assert plain[0] == plain[1]
    assert attended.argsort(descending=True).tolist() == [0, 2, 1]


def test_a_teacher_that_looks_everywhere_alike_leaves_the_plain_energy():
    assert scores.energy_where(MAPS, torch.full((1, 5, 5), 0.04)).tolist() == pytest.approx([8, 8, 4])
    assert scores.energy_where(MAPS, None).tolist() == [8, 8, 4]


def test_the_scale_of_a_heatmap_does_not_count_and_an_empty_one_is_even():
    assert torch.equal(scores.energy_where(MAPS, LEFT), scores.energy_where(MAPS, 7 * LEFT))
    assert torch.equal(scores.energy_where(MAPS, 0 * LEFT), scores.energy_where(MAPS, None))


def test_a_heatmap_keeps_its_mean_on_every_grid():
    heatmaps = torch.rand(3, 7, 7)
    for grid in ((2, 2), (7, 7), (16, 16), (1, 1)):
        torch.testing.assert_close(scores.on_grid(heatmaps, grid).mean(dim=(1, 2)), torch.ones(3, dtype=torch.float64))


def test_shares_of_two_readers_by_hand():
    """The first reader gets energies (1, 3) with squared weights (3, 1): shares 1/2, 1/2. The second reads, in the other
    order, (1, 3) with (1, 1): 3/4 of channel 0."""
    both = group(
        2,
        Reader("one", torch.tensor([0, 1]), torch.tensor([0, 1])),
        Reader("two", torch.tensor([0, 1]), torch.tensor([1, 0])),
    )
    energies = {"one": torch.tensor([1.0, 3.0]).double(), "two": torch.tensor([1.0, 3.0]).double()}
    weights = {"one": torch.tensor([3.0, 1.0]).double(), "two": torch.tensor([1.0, 1.0]).double()}
    assert scores.shares(both, energies, weights).tolist() == pytest.approx([(1 / 2 + 3 / 4) / 2, (1 / 2 + 1 / 4) / 2])


def test_scaling_a_channel_up_and_its_readers_weights_down_changes_no_score():
    net = nn.Sequential(nn.Conv2d(3, 4, 1))
    one = group(3, Reader("0", torch.arange(3), torch.arange(3)))
    before = scores.shares(one, {"0": scores.energy_where(MAPS, LEFT)}, scores.squared_weights(net, one))
    with torch.no_grad():
        net[0].weight[:, 2] /= 5
    scaled = MAPS * torch.tensor([1.0, 1.0, 5.0]).view(1, 3, 1, 1)
    after = scores.shares(one, {"0": scores.energy_where(scaled, LEFT)}, scores.squared_weights(net, one))
    torch.testing.assert_close(before, after)


def test_squared_weights_of_a_convolution_by_hand():
    net = nn.Sequential(nn.Conv2d(2, 2, 2))
    with torch.no_grad():
        net[0].weight.copy_(torch.arange(16.0).view(2, 2, 2, 2))
    one = group(2, Reader("0", torch.arange(2), torch.arange(2)))
    first = sum(n * n for n in (0, 1, 2, 3, 8, 9, 10, 11))
    second = sum(n * n for n in (4, 5, 6, 7, 12, 13, 14, 15))
    assert scores.squared_weights(net, one)["0"].tolist() == [first, second]
