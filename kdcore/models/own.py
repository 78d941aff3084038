"""The networks of this project by name, each with its constructor, usual image size and normalisation."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from kdcore.models import cifar_resnet, cnns, small_vit
from kdcore.models.tapped import Statistics

HALF, QUARTER = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Own:
    """A network of this project.

    make: (classes, image_size, **options) -> the network; its options are keyword-only, with defaults.
    image_size: the usual side of its images in pixels.
    mean, std: of the normalisation of images in [0, 1].
    """

    make: Callable[..., nn.Module]
    image_size: int
    mean: Statistics = HALF
    std: Statistics = QUARTER


OWN: dict[str, Own] = {
    "three_stage_cnn": Own(cnns.three_stage_cnn, 64),
    "three_stage_cnn_16": Own(cnns.three_stage_cnn_16, 64),
    "five_conv": Own(cnns.five_conv, 32),
    "resnet20": Own(cifar_resnet.resnet20, 32, IMAGENET_MEAN, IMAGENET_STD),
    "resnet56": Own(cifar_resnet.resnet56, 32, IMAGENET_MEAN, IMAGENET_STD),
    "resnet8x4": Own(cifar_resnet.resnet8x4, 32, IMAGENET_MEAN, IMAGENET_STD),
    "resnet32x4": Own(cifar_resnet.resnet32x4, 32, IMAGENET_MEAN, IMAGENET_STD),
    "small_vit_patch4_32": Own(small_vit.small_vit_patch4_32, 32),
    "hybrid_vit_patch4_32": Own(small_vit.hybrid_vit_patch4_32, 32),
    "small_vit_patch8_64": Own(small_vit.small_vit_patch8_64, 64),
}
