"""A network whose maps are the same for every image has no heatmap, and the reason says so."""

import numpy as np
import pytest
import torch

from kdcore import models
from kdcore.errors import EmptyMap
from kdcore.explain import heatmaps
from kdcore.explain.reading.dependence import depends_on_image
from kdcore.recipe import ModelRecipe

TEN = tuple("abcdefghij")


def network(model="three_stage_cnn_16", **options):
    torch.manual_seed(0)
    return models.build(ModelRecipe(model=model, options=options), TEN, 32).eval()


@pytest.fixture
def blind():
    """It gives every place of a map another value by its padding, and the same map to every image."""
    model = network()
    with torch.no_grad():
        model.net.stages[0][0].weight.zero_()
        model.net.stages[0][1].bias.fill_(1.0)
    return model


@pytest.mark.parametrize("name", ["activation_energy", "grad_cam", "hires_cam", "input_gradient", "occlusion"])
def test_a_map_that_does_not_depend_on_the_image_is_refused(name, blind):
    images = torch.rand(2, 3, 32, 32)
    found = heatmaps.explain(blind, images, name)
    assert set(found.problems) == {0, 1}
    assert "the same for a black image and for noise, so no map of it depends on the image" in found.problems[0]
    assert np.isnan(found.heatmaps).all()
    with pytest.raises(EmptyMap, match="Train the network, or give it trained weights"):
        heatmaps.heatmap(blind, images, name)


def test_a_deep_network_with_random_weights_is_one():
    model = network("convmixer_768_32")
    assert not depends_on_image(model, 32)


def test_a_network_that_sees_its_images_is_checked_once(monkeypatch):
    model = network()
    assert heatmaps.explain(model, torch.rand(1, 3, 32, 32), "activation_energy").problems == {}
    monkeypatch.setattr(type(model), "forward", lambda *_: pytest.fail("it was run again"))
    assert depends_on_image(model, 32)
