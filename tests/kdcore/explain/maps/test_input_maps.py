"""activation_energy on known stages, input_gradient by hand."""

import numpy as np
import torch

from kdcore import explain
from kdcore.models import Tapped
from kdcore.models.cnns import StagedCNN

from ..conftest import images_for


def test_energy_of_each_stage(model):
    network = model("our_cnn")
    images = images_for(network)
    with torch.no_grad():
        stages = network(images, frozenset({"features"})).features
    for layer, features in enumerate(stages):
        wanted = (features**2).sum(dim=1)
        maps = explain.heatmap(network, images, "activation_energy", layer=layer)
        np.testing.assert_allclose(maps, wanted / wanted.sum(dim=(1, 2), keepdim=True), rtol=1e-4)


def test_gradient_of_a_network_that_weighs_pixels():
    """Its logit is a weighted sum of the pixels, so the gradient is known; std enters through the normalisation."""

    class Weighing(StagedCNN):
        def __init__(self):
            super().__init__(2, (3,), (2,), 1)
            self.head = torch.nn.Linear(3 * 8 * 8, 2)

        def forward_head(self, features):
            return self.head(self.images.flatten(1))

        def forward_intermediates(self, images):
            self.images = images
            return super().forward_intermediates(images)

    network = Tapped(
        Weighing(), name="weighing", classes=("a", "b"), image_size=8, mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 1.0)
    )
    weights = network.net.head.weight.detach()[1].view(3, 8, 8)
    slope = (weights / torch.tensor([0.5, 0.25, 1.0])[:, None, None]).abs().sum(dim=0)  # [8, 8]
    wanted = slope.unflatten(0, (4, 2)).unflatten(2, (4, 2)).mean(dim=(1, 3))
    maps = explain.heatmap(network, torch.rand(1, 3, 8, 8), "input_gradient", target=torch.tensor([1]))
    np.testing.assert_allclose(maps[0], wanted / wanted.sum(), rtol=1e-5)
