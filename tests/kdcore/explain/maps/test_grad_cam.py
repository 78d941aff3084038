import numpy as np
import pytest
import torch

from kdcore import explain
from kdcore.explain.maps.grad_cam import grad_cam

from ..conftest import build, images_for


def test_value_worked_by_hand():
    activations = torch.tensor([[[[1.0, 2.0]], [[3.0, 1.0]]]])  # two channels on a 1 x 2 grid
    gradients = torch.tensor([[[[4.0, 0.0]], [[-1.0, -1.0]]]])  # mean 2 and -1
    torch.testing.assert_close(grad_cam(activations, gradients), torch.tensor([[[0.0, 3.0]]]))  # ReLU(2-3), 4-1


def as_shown_by_pytorch_grad_cam(heatmap: np.ndarray, side: int) -> np.ndarray:
    from pytorch_grad_cam.utils.image import scale_cam_image  # two seconds to import, also where no test here is run

    return scale_cam_image(scale_cam_image(heatmap[None], (side, side)))[0]


@pytest.mark.parametrize("kind, layer", [("resnet", "layer4.0"), ("our_cnn", "stages.2"), ("vit", "blocks.2.norm1")])
@pytest.mark.parametrize("target", [None, 3])
def test_agrees_with_pytorch_grad_cam(model, kind, layer, target):
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    network = model(kind)
    images = images_for(network)
    grid = network.shapes().features[-1][1:]

    def patches(tokens):
        return tokens[:, network.prefix_tokens :].transpose(1, 2).unflatten(2, grid)

    targets = None if target is None else [ClassifierOutputTarget(target)] * 2
    layers = [network.net.get_submodule(layer)]
    with GradCAM(network.net, layers, reshape_transform=patches if kind == "vit" else None) as cam:
        expected = cam((images - network.mean) / network.std, targets)
    explained = explain.explain(network, images, "grad_cam", target=None if target is None else torch.tensor([3, 3]))
    assert len(explained.problems) < 2
    for place in set(range(2)) - set(explained.problems):
        shown = as_shown_by_pytorch_grad_cam(explained.heatmaps[place], network.image_size)
        np.testing.assert_allclose(shown, expected[place], atol=1e-4)


def test_another_classifier_gives_another_map(model):
    """The randomisation check: a map that does not mind its weights explains nothing (Adebayo et al., NeurIPS 2018)."""
    network = build("resnet")
    images = images_for(network)
    before = explain.heatmap(network, images, "grad_cam", target=torch.tensor([0, 0]))
    torch.manual_seed(5)
    torch.nn.init.normal_(network.net.fc.weight)
    after = explain.heatmap(network, images, "grad_cam", target=torch.tensor([0, 0]))
    assert np.abs(after - before).sum(axis=(1, 2)).min() > 0.1


def test_an_in_place_activation_after_the_layer_is_handled(model):
    """SqueezeNet's and DenseNet's last map is rectified in place by what follows."""
    network = model("torchvision_cnn")
    assert explain.heatmap(network, images_for(network), "grad_cam").max() < 1


def test_works_under_no_grad_and_at_another_input_size(model):
    network = model("resnet")
    with torch.no_grad():
        assert explain.heatmap(network, torch.rand(1, 3, 160, 128), "grad_cam").shape == (1, 5, 4)
