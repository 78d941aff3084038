import copy

import pytest
import torch
from torch import nn

from kdcore import models
from kdcore.models import bn_folding
from kdcore.recipe import ModelRecipe

CLASSES = tuple("abcd")
NEEDS = frozenset({"logits", "pooled", "features"})
NETWORKS = ["resnet18", "torchvision/resnet18", "efficientnet_b0", "mobilenetv3_small_050", "convnext_atto", "resnet20"]


def lived(name: str) -> models.Tapped:
    """A network whose norms have seen something, so that folding them is not nothing."""
    torch.manual_seed(0)
    model = models.build(ModelRecipe(model=name), CLASSES, 64)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    with torch.no_grad():
        model.train()(torch.rand(8, 3, 64, 64))
    return model.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_folded_norms_change_no_output(name):
    model, images = lived(name), torch.rand(2, 3, 64, 64)
    fast = bn_folding.quick(model, torch.float32)
    with torch.no_grad():
        wanted, found = model(images, NEEDS), fast(images, NEEDS)
    torch.testing.assert_close(found.logits, wanted.logits, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(found.pooled, wanted.pooled, atol=1e-4, rtol=1e-3)
    for ours, theirs in zip(found.features, wanted.features, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", [name for name in NETWORKS if "convnext" not in name])
def test_no_norm_is_left(name):
    fast = bn_folding.quick(lived(name), torch.float32)
    assert not [module for module in fast.modules() if isinstance(module, nn.BatchNorm2d)]


def test_the_network_itself_stays_as_it_was():
    model = lived("resnet18")
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    hooks = [len(module._forward_hooks) for module in model.modules()]
    bn_folding.quick(model)
    torch.testing.assert_close(model.state_dict(), before, atol=0, rtol=0)
    assert [module.training for module in model.modules()] == modes
    assert [len(module._forward_hooks) for module in model.modules()] == hooks


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224"])
def test_in_bfloat16_answers_are_close(name):
    model, images = lived(name), torch.rand(2, 3, 64, 64)
    fast = bn_folding.quick(model)
    with torch.no_grad():
        wanted, found = model(images, NEEDS), fast(images, NEEDS)
    assert found.logits.dtype == torch.bfloat16
    torch.testing.assert_close(found.pooled.float(), wanted.pooled, atol=0.05, rtol=0.1)


class Branching(nn.Module):
    """Reads a convolution's output twice: before its norm and after."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = self.convolution(images)
        return self.fc((self.norm(seen) + seen).mean(dim=(2, 3)))


def test_a_convolution_that_is_read_twice_keeps_its_norm():
    net = Branching()
    with torch.no_grad():
        net.train()(torch.rand(8, 3, 8, 8) * 9)
    model = models.Tapped(
        net.eval(), name="branching", classes=CLASSES, image_size=8, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2)
    )
    fast = bn_folding.quick(model, torch.float32)
    assert isinstance(fast.net.norm, nn.BatchNorm2d)
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(fast(images).logits, model(images).logits)
