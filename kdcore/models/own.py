"""The networks of this project and of plugins by name, each with its constructor, usual image size and normalisation."""

import inspect
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

from torch import nn

from kdcore import plugins
from kdcore.errors import UserError
from kdcore.models import cifar_resnet, cnns, small_vit
from kdcore.models.tapped import Statistics
from kdcore.recipe.architecture import SETTINGS

HALF, QUARTER = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Own(plugins.Part):
    """A network of this project or of a plugin.

    make: (classes, image_size, **options) -> the network; its options are keyword-only, with defaults.
    image_size: the usual side of its images in pixels.
    mean, std: of the normalisation of images in [0, 1].
    """

    part_kind: ClassVar[str] = "network"
    part_name: ClassVar[str] = "NETWORK"

    make: Callable[..., nn.Module]
    image_size: int
    mean: Statistics = HALF
    std: Statistics = QUARTER

    @classmethod
    def taken_names(cls) -> Collection[str]:
        from kdcore.models import zoo

        return zoo.library_names() | OWN.keys()

    def check_part(self, module: ModuleType) -> None:
        """Refuse a plugin's network that recipes could not build. Raises UserError."""
        if not callable(self.make):
            raise UserError("the first value of NETWORK is a function that makes the network: `Own(make, image_size)`.")
        plugins.check_types(self, Own, "NETWORK")
        three = len(self.mean) == len(self.std) == 3 and all(map(math.isfinite, self.mean))
        if not 8 <= self.image_size <= 1024 or not three or not all(0 < each < math.inf for each in self.std):
            raise UserError(
                f"NETWORK has image_size {self.image_size}, mean {self.mean} and std {self.std}: 8 to 1024 pixels, three numbers and "
                "three numbers above 0 were expected."
            )
        name = getattr(self.make, "__name__", "make")  # a `partial` has none
        signature = list(inspect.signature(self.make).parameters.values())
        options = signature[2:]
        if len(signature) < 2 or any(each.kind is not each.KEYWORD_ONLY for each in options):
            raise UserError(
                f"{name} should take (classes, image_size), then options by keyword alone, "
                "`(classes, image_size, *, width=16)`."
            )
        for each in options:
            if each.name not in SETTINGS or each.default is each.empty:
                raise UserError(
                    f"{name} has the option {each.name!r}, which no recipe can set: give it a default and a name of "
                    "kdcore/recipe/architecture.py, such as width, widths, depth or drop_rate."
                )


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


def networks() -> dict[str, Own]:
    """The networks of this project, and those of plugins."""
    return {**OWN, **{name: plugin.part for name, plugin in plugins.parts(Own.part_kind).items()}}
