"""Tiny networks of each kind, random but lively: random biases and norms, so that no map is flat."""

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor

from kdcore import models
from kdcore.models import Tapped
from kdcore.recipe import ModelRecipe

CLASSES = ("cat", "dog", "ship", "frog", "deer")
SMALL = {"embed_dim": 32, "depth": 3, "num_heads": 2}
SPECS: dict[str, tuple[str, int, dict]] = {
    "vit": ("deit_tiny_patch16_224", 64, SMALL),
    "distilled": ("deit_tiny_distilled_patch16_224", 64, SMALL),
    "registers": ("vit_small_patch14_reg4_dinov2", 56, SMALL),
    "rotary": ("eva02_tiny_patch14_224", 56, SMALL),
    "torchvision_vit": ("torchvision", 64, {"hidden_dim": 32, "num_layers": 3, "num_heads": 2, "mlp_dim": 64}),
    "our_vit": ("small_vit_patch4_32", 32, {"dim": 32, "depth": 3, "heads": 2}),
    "resnet": ("test_resnet", 96, {}),
    "convnext": ("test_convnext", 96, {}),
    "efficientnet": ("test_efficientnet", 96, {}),
    "torchvision_cnn": ("torchvision/squeezenet1_1", 64, {}),
    "swin": (
        "swin_tiny_patch4_window7_224",
        56,
        {"embed_dim": 16, "depths": (1, 1), "num_heads": (2, 2), "window_size": 7},
    ),
    "our_cnn": ("three_stage_cnn_16", 32, {}),
    "our_resnet": ("resnet8x4", 32, {}),
}
VITS = ("vit", "distilled", "registers", "rotary", "torchvision_vit", "our_vit")


def build(kind: str, *, seed: int = 0) -> Tapped:
    name, size, options = SPECS[kind]
    torch.manual_seed(seed)
    if kind == "torchvision_vit":  # none of torchvision's named ones is tiny
        net = torchvision.models.VisionTransformer(size, patch_size=16, num_classes=len(CLASSES), **options)
        half = (0.5, 0.5, 0.5)
        model = Tapped(net, name=name, classes=CLASSES, image_size=size, mean=half, std=half)
    else:
        model = models.build(ModelRecipe(model=name, options=options), CLASSES, size)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * parameter.abs().mean().clamp(min=0.1) * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture(scope="module")
def model() -> Callable[[str], Tapped]:
    """Makes a network of a kind once a file; tests must leave it as it was, which is what they check."""
    made: dict[str, Tapped] = {}
    return lambda kind: made.setdefault(kind, made.get(kind) or build(kind))


def images_for(model: Tapped, count: int = 2) -> Tensor:
    return torch.rand(count, 3, model.image_size, model.image_size, generator=torch.Generator().manual_seed(1))
