"""The Grad-CAM family against pytorch-grad-cam, and what each member is for."""

import numpy as np
import pytest
import torch

from kdcore import explain
from kdcore.explain.maps.eigen_cam import activations_of, eigen_cam
from kdcore.explain.maps.grad_cam_plus_plus import grad_cam_plus_plus
from kdcore.explain.maps.hires_cam import hires_cam
from kdcore.explain.maps.layer_cam import layer_cam

from ..conftest import images_for

PUBLISHED = {"grad_cam_plus_plus": "GradCAMPlusPlus", "hires_cam": "HiResCAM", "layer_cam": "LayerCAM"}
LAYERS = {"resnet": "layer4.0", "our_cnn": "stages.2", "vit": "blocks.2.norm1"}


def shown(heatmap: np.ndarray, side: int) -> np.ndarray:
    """As pytorch-grad-cam scales its maps: to [0, 1], enlarged, and to [0, 1] again."""
    from pytorch_grad_cam.utils.image import scale_cam_image  # two seconds to import, also where no test here is run

    return scale_cam_image(scale_cam_image(heatmap[None], (side, side)))[0]


def patches_of(network, kind):
    grid = network.shapes().features[-1][1:]

    def patches(tokens):
        return tokens[:, network.prefix_tokens :].transpose(1, 2).unflatten(2, grid)

    return patches if kind == "vit" else None


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("map_name", PUBLISHED)
def test_agrees_with_pytorch_grad_cam(model, kind, map_name):
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    network = model(kind)
    images = images_for(network)
    layers = [network.net.get_submodule(LAYERS[kind])]
    published = getattr(pytorch_grad_cam, PUBLISHED[map_name])
    with published(network.net, layers, reshape_transform=patches_of(network, kind)) as cam:
        expected = cam((images - network.mean) / network.std, [ClassifierOutputTarget(3)] * 2)
    explained = explain.explain(network, images, map_name, target=torch.tensor([3, 3]))
    assert len(explained.problems) < 2
    for place in set(range(2)) - set(explained.problems):
        np.testing.assert_allclose(shown(explained.heatmaps[place], network.image_size), expected[place], atol=1e-4)


@pytest.mark.parametrize("kind", LAYERS)
def test_eigen_cam_agrees_with_pytorch_grad_cam_up_to_the_sign_that_is_arbitrary_there(model, kind):
    from pytorch_grad_cam import EigenCAM

    network = model(kind)
    images = images_for(network, 4)
    layers = [network.net.get_submodule(LAYERS[kind])]
    found = explain.explain(network, images, "eigen_cam")
    activations = activations_of(network, images, explain.MapOptions())[1]
    with EigenCAM(network.net, layers, reshape_transform=patches_of(network, kind)) as cam:
        for place in range(4):
            published = cam.get_cam_image(None, None, None, activations[place : place + 1].numpy(), None, False)[0]
            either = [(sign * published).clip(min=0) for sign in (1, -1)]
            gaps = [np.abs(found.heatmaps[place] - e / e.sum()).max() for e in either]
            assert min(gaps) < 1e-5


def test_eigen_cam_lights_up_where_the_layer_is_active():
    torch.manual_seed(0)
    activations = torch.rand(2, 6, 4, 4) * 0.1
    activations[:, :, 1, 2] += 5  # one place is strongly active
    found = eigen_cam(activations)
    assert (found.flatten(1).argmax(1) == 6).all()
    torch.testing.assert_close(eigen_cam(-activations), found)  # the sign of the activations does not matter


def test_hires_and_layer_cam_worked_by_hand():
    activations = torch.tensor([[[[1.0, 2.0]], [[3.0, 1.0]]]])  # two channels on a 1 x 2 grid
    gradients = torch.tensor([[[[2.0, -1.0]], [[-1.0, 3.0]]]])
    torch.testing.assert_close(hires_cam(activations, gradients), torch.tensor([[[0.0, 1.0]]]))  # 2-3, -2+3
    torch.testing.assert_close(layer_cam(activations, gradients), torch.tensor([[[2.0, 3.0]]]))  # 2, 3


def test_grad_cam_plus_plus_worked_by_hand():
    activations, gradients = torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[2.0, -1.0]]]])
    # shares 4 / (8 + 4 * 8) = 0.1 and 1 / (2 - 4), of which ReLU(gradient) leaves 2 * 0.1
    torch.testing.assert_close(grad_cam_plus_plus(activations, gradients), torch.tensor([[[0.2, 0.6]]]))


@pytest.mark.parametrize("map_name", [*PUBLISHED, "grad_cam", "eigen_cam"])
@pytest.mark.parametrize("kind", ["resnet", "our_cnn", "vit"])
def test_every_layer_has_a_map_on_its_own_grid(model, kind, map_name):
    network = model(kind)
    for layer, (_, height, width) in enumerate(network.shapes().features):
        found = explain.explain(network, images_for(network), map_name, layer=layer)
        assert found.heatmaps.shape[1:] == (height, width)


def test_what_speaks_for_one_class_rather_than_another(model):
    """Linear in the score: the raw map of a difference is the difference of the raw maps before the ReLU."""
    network = model("our_cnn")
    images = images_for(network)
    one, other = torch.tensor([0, 0]), torch.tensor([1, 1])
    from kdcore.explain.reading.activations import activations_and_gradients

    gradients = [
        activations_and_gradients(network, images, explain.MapOptions(target=target))[2] for target in (one, other)
    ]
    both = activations_and_gradients(network, images, explain.MapOptions(target=one, against=other))[2]
    torch.testing.assert_close(both, gradients[0] - gradients[1])
