import copy

import numpy as np
import pytest
import torch

from kdcore import explain
from kdcore.explain.quality.randomization import cascading, layers, untrained

from ..conftest import build, images_for

KINDS = ("our_vit", "our_cnn", "resnet", "distilled")


@pytest.mark.parametrize("kind", KINDS)
def test_layers_hold_every_weight_once_from_first_to_last(kind):
    network = build(kind)
    found = layers(network)
    names = [name for layer in found.values() for name in layer]
    assert sorted(names) == sorted(network.net.state_dict())
    assert list(found)[-1].startswith(("head", "fc"))


def test_blocks_and_stages_are_layers_of_their_own():
    assert [layer for layer in layers(build("vit")) if layer.startswith("blocks")] == [
        "blocks.0",
        "blocks.1",
        "blocks.2",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_the_cascade_goes_from_the_last_layer_to_a_network_that_learnt_nothing(kind):
    network = build(kind)
    before, fresh = copy.deepcopy(network.state_dict()), untrained(network, seed=3).state_dict()
    gone: set[str] = set()
    for layer, copied in cascading(network, seed=3):
        gone |= {f"net.{name}" for name in layers(network)[layer]}
        for name, tensor in copied.state_dict().items():
            expected = fresh[name] if name in gone else before[name]
            torch.testing.assert_close(tensor, expected, rtol=0, atol=0)
    assert gone == set(before)  # mean and std are not among what is saved
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_the_random_state_is_left_alone():
    network = build("our_cnn")
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    untrained(network)
    assert torch.rand(1) == expected


def test_an_untrained_network_gives_another_map():
    network = build("our_cnn")
    images = images_for(network, 2)
    trained, random = (explain.heatmap(each, images, "activation_energy") for each in (network, untrained(network)))
    assert not np.allclose(trained, random, atol=1e-3)
