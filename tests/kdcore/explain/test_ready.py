"""A network made ready gives the maps of the network it was made from."""

import numpy as np
import pytest
import torch

from kdcore import explain
from kdcore.explain import map_cards
from kdcore.runtime import mixed_precision

from .conftest import SPECS, VITS, build, images_for
from .maps.test_every_map import state_of

CARDS = map_cards()

KINDS = [
    "vit",
    "distilled",
    "rotary",
    "torchvision_vit",
    "resnet",
    "convnext",
    "efficientnet",
    "torchvision_cnn",
    "swin",
]
QUICK = ["cls_attention", "rollout", "grad_cam", "layer_cam", "activation_energy"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_maps_and_predictions(model, kind):
    network = model(kind)
    images, quick = images_for(network), explain.ready(network)
    for map_name in explain.maps_for(network):
        if map_name == "occlusion":  # many forwards, and none that the others do not go through
            continue
        wanted, found = explain.explain(network, images, map_name), explain.explain(quick, images, map_name)
        np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=1e-5)
        assert found.problems == wanted.problems
        np.testing.assert_allclose(found.heatmaps, wanted.heatmaps, atol=1e-4 * np.nanmax(wanted.heatmaps))


@pytest.mark.parametrize("map_name", ["grad_cam", "self_similarity"])
def test_the_same_maps_at_an_earlier_layer_and_another_size(model, map_name):
    network = model("resnet")
    quick = explain.ready(network)
    for images in (images_for(network), torch.rand(1, 3, 160, 128)):
        wanted = explain.heatmap(network, images, map_name, layer=1)
        np.testing.assert_allclose(explain.heatmap(quick, images, map_name, layer=1), wanted, atol=1e-4 * wanted.max())


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_in_bfloat16_the_maps_are_close(model, kind, monkeypatch):
    monkeypatch.setattr(mixed_precision, "bfloat16_is_faster", lambda device: True)
    network = model(kind)
    images, quick = images_for(network), explain.ready(network, "fast")
    assert {parameter.dtype for parameter in quick.net.parameters()} == {torch.bfloat16}
    target = torch.tensor([1, 1])
    for map_name in [name for name in QUICK if CARDS[name].any_network or kind in VITS]:
        ask = {"target": target} if CARDS[map_name].explains_class else {}
        wanted, found = (explain.heatmap(each, images, map_name, **ask) for each in (network, quick))
        assert explain.agreement(found[0], wanted[0])["cosine"] > 0.98


def test_where_bfloat16_is_not_quick_fast_is_exact(model, monkeypatch):
    monkeypatch.setattr(mixed_precision, "bfloat16_is_faster", lambda device: False)
    quick = explain.ready(model("resnet"), "fast")
    assert {parameter.dtype for parameter in quick.net.parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_the_network_itself_is_left_exactly_as_it_was(kind):
    network = build(kind).train()
    before = state_of(network)
    quick = explain.ready(network)
    explain.explain(quick, images_for(network), "grad_cam")
    assert state_of(network) == before
    assert not quick.training


def test_every_kind_can_be_made_ready(model):
    for kind in set(SPECS) - set(KINDS):
        network = model(kind)
        images = images_for(network)
        with torch.no_grad():
            wanted, found = network(images).logits, explain.ready(network)(images).logits
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)
