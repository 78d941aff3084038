"""Networks whose dependency graph has no end are refused in words."""

import pytest
import torch_pruning
from torch_pruning.dependency import index_mapping

from kdcore import models
from kdcore.errors import UserError
from kdcore.pruning import bounded
from kdcore.pruning.dependencies import Dependencies
from kdcore.recipe import ModelRecipe

pytest.importorskip("torch_pruning")


def test_a_network_whose_groups_grow_without_end_is_refused():
    """The reshapes of its relative positions join in a loop; without a limit Torch-Pruning fills the memory."""
    network = models.build(ModelRecipe(model="test_coatnet"), ("a", "b"), 64).eval()
    with pytest.raises(
        UserError,
        match=r"test_coatnet cannot be pruned: its layers could not be traced \(the dependencies between its reshaped",
    ):
        Dependencies(network)


def test_how_many_indices_a_mapping_makes_of_one():
    flattened = index_mapping._FlattenIndexMapping(stride=49)
    indices = [torch_pruning._helpers._HybridIndex(idx=place, root_idx=place) for place in range(3)]
    assert len(flattened(indices)) == bounded.growth(flattened) * 3 == 147
    assert bounded.growth(index_mapping._FlattenIndexMapping(stride=49, reverse=True)) == 1
    assert bounded.growth(index_mapping._ConcatIndexMapping([0, 3])) == 1


def test_a_network_whose_blocks_add_some_channels_each_is_refused(monkeypatch):
    """Without a limit the search takes longer than eight minutes."""
    monkeypatch.setattr(bounded, "MOST_VISITS", 2000)
    network = models.build(ModelRecipe(model="rexnet_100"), ("a", "b"), 32).eval()
    with pytest.raises(
        UserError, match=r"rexnet_100 cannot be pruned: .* \(its layers share channels in too many ways\)"
    ):
        Dependencies(network)
