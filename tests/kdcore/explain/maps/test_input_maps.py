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


def covered_one_by_one(network, image, target, against=None):
    """The fall of the target's probability (less that of `against`), patch by patch, with numpy's slices."""

    def score(pixels):
        with torch.no_grad():
            shares = network(pixels[None]).logits[0].softmax(dim=0)
        return float(shares[target]) - (float(shares[against]) if against is not None else 0.0)

    rows, columns = network.shapes().features[-1][1:]
    high, wide = image.shape[1] // rows, image.shape[2] // columns
    falls = np.zeros((rows, columns))
    for row, column in np.ndindex(rows, columns):
        pixels = image.clone()
        part = pixels[:, row * high : (row + 1) * high, column * wide : (column + 1) * wide]
        part[:] = image.mean(dim=(1, 2))[:, None, None]
        falls[row, column] = max(0.0, score(image) - score(pixels))
    return falls / falls.sum()


def test_occlusion_is_the_fall_of_each_image_s_own_class_rather_than_its_own_other(model):
    network = model("our_cnn")
    images = images_for(network, 3)
    targets, others = torch.tensor([0, 1, 2]), torch.tensor([3, 4, 1])
    plain = explain.heatmap(network, images, "occlusion", target=targets)
    rather = explain.heatmap(network, images, "occlusion", target=targets, against=others)
    for number, image in enumerate(images):
        target, other = int(targets[number]), int(others[number])
        np.testing.assert_allclose(plain[number], covered_one_by_one(network, image, target), atol=1e-4)
        np.testing.assert_allclose(rather[number], covered_one_by_one(network, image, target, other), atol=1e-4)
