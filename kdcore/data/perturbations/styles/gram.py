"""Style transfer by Gram matrices: an image keeps its features and gets a texture's correlations of them.

Gatys et al., CVPR 2016, https://doi.org/10.1109/CVPR.2016.265

An image is changed by gradient steps from the original, so the result is the same each time. Both losses are relative
to what they are at the start, so a style weight means the same for every image, layer and network.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.models import squeezenet1_1, vgg19

from kdcore.errors import UserError
from kdcore.models import torchvision_files

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of both networks
STEPS, RATE = 40, 0.05  # of Adam; the rate is in units of the pixels' range


@dataclass(frozen=True)
class Layers:
    """Which of a network's layers compare what: places in its `features`, after the activation."""

    title: str
    style: tuple[int, ...]
    content: int


# VGG-19: conv1_1 to conv5_1 and conv4_2, as in the paper. SqueezeNet: as in assignment 3 of Stanford's CS231n.
NETWORKS = {
    "vgg19": Layers("VGG-19", (1, 6, 11, 20, 29), 22),
    "squeezenet1_1": Layers("SqueezeNet 1.1", (1, 4, 6, 7), 3),
}
_MADE = {"vgg19": vgg19, "squeezenet1_1": squeezenet1_1}


class Features(nn.Module):
    """The maps of some layers of a pretrained network, for images in [0, 1]; later layers are not computed."""

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Sequential, layers: Layers) -> None:
        super().__init__()
        self.layers = layers
        self.net = net[: max(*layers.style, layers.content) + 1]
        for each in self.net.modules():
            if isinstance(each, nn.ReLU):
                each.inplace = False
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """The maps of the style layers and that of the content layer, each [m, C, h, w]."""
        x, found = (images - self.mean) / self.std, {}
        for place, layer in enumerate(self.net):
            x = layer(x)
            found[place] = x
        return [found[place] for place in self.layers.style], found[self.layers.content]


def available() -> str:
    """The first network of NETWORKS whose weights are on this machine; empty where none's are."""
    return next((name for name in NETWORKS if torchvision_files.found(name)), "")


def features(name: str) -> Features:
    """A pretrained network's features.

    Raises:
        UserError: its weights are not on this machine, or its file has others.
    """
    state = torchvision_files.state(name)
    with torch.device("meta"):
        net = _MADE[name]().features
    own = {key.removeprefix("features."): value for key, value in state.items() if key.startswith("features.")}
    try:
        net.load_state_dict(own, assign=True)
    except RuntimeError:
        raise UserError(
            f"{torchvision_files.found(name)} does not have the weights of torchvision's {name}: {torchvision_files.url(name)}"
        ) from None
    return Features(net, NETWORKS[name])


def gram(maps: Tensor) -> Tensor:
    """Correlations of channels over the places of a map: [m, C, h, w] -> [m, C, C], the mean over the places."""
    flat = maps.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def distance(maps: Sequence[Tensor], grams: Sequence[Tensor]) -> list[Tensor]:
    """For each layer the squared distance of an image's Gram matrices to a texture's."""
    return [(gram(each) - other).square().sum() for each, other in zip(maps, grams, strict=True)]


def transferred(net: Features, image: Tensor, texture: Tensor, weight: float) -> Tensor:
    """An image with the texture of another: [3, H, W] in [0, 1], both; the texture may have another size.

    Args:
        weight: of the style loss beside the content loss. At the start the style loss is 1; the content loss is 1 where
            the content layer's map has moved by its own length.
    """
    with torch.no_grad():
        maps, content = net(image[None])
        grams = [gram(each) for each in net(texture[None])[0]]
        scales = [1 / each.clamp_min(1e-12) for each in distance(maps, grams)]
        length = 1 / content.square().sum().clamp_min(1e-12)
    pixels = image[None].clone().requires_grad_()
    optimizer = torch.optim.Adam([pixels], lr=RATE)
    with torch.enable_grad():
        for _ in range(STEPS):
            maps, found = net(pixels)
            style = torch.stack([s * d for s, d in zip(scales, distance(maps, grams), strict=True)]).mean()
            loss = (found - content).square().sum() * length + weight * style
            (pixels.grad,) = torch.autograd.grad(loss, [pixels])
            optimizer.step()
            with torch.no_grad():
                pixels.clamp_(0, 1)
    return pixels.detach()[0]
