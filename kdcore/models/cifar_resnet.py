"""ResNets for 32 px images: He et al.'s with shortcuts without parameters, and the wider ones of RepDistiller.

Names of the tensors are those of https://github.com/akamaster/pytorch_resnet_cifar10, whose weights load as they are.
He et al., CVPR 2016, https://arxiv.org/abs/1512.03385; Tian et al., ICLR 2020, https://arxiv.org/abs/1910.10699
"""

from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.errors import UserError


class Block(nn.Module):
    """Two convolutions beside a shortcut, which is `pad` (every other pixel, zeros as new channels) or `conv` (1x1)."""

    def __init__(self, channels: int, width: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.more_channels = stride, width - channels
        self.downsample: nn.Module | None = None
        if shortcut == "conv" and (stride > 1 or self.more_channels):
            self.downsample = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self._shortcut(x))

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.downsample is not None:
            return self.downsample(x)
        if self.stride == 1 and not self.more_channels:
            return x
        before = self.more_channels // 2
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.more_channels - before))


class CifarResNet(nn.Module):
    """Stem and three stages at full, half and quarter resolution.

    Args:
        depth: 6 n + 2 layers, n blocks a stage.
        widths: channels of the stem and of the three stages.
    """

    def __init__(self, classes: int, depth: int, widths: Sequence[int], shortcut: str) -> None:
        super().__init__()
        if (depth - 2) % 6 or len(widths) != 4:
            raise UserError(f"A CIFAR ResNet has 6 n + 2 layers and four widths, not {depth} and {len(widths)}.")
        stem, *stages = widths
        self.conv1 = nn.Conv2d(3, stem, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        blocks = (depth - 2) // 6
        self.layer1 = _stage(stem, stages[0], 1, blocks, shortcut)
        self.layer2 = _stage(stages[0], stages[1], 2, blocks, shortcut)
        self.layer3 = _stage(stages[1], stages[2], 2, blocks, shortcut)
        self.linear = nn.Linear(stages[2], classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

    def forward_intermediates(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The last map, and the maps of the three stages."""
        x = F.relu(self.bn1(self.conv1(images)))
        maps = []
        for stage in (self.layer1, self.layer2, self.layer3):
            x = stage(x)
            maps.append(x)
        return x, maps

    def forward_head(self, features: Tensor) -> Tensor:
        return self.linear(features.mean(dim=(2, 3)))

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_intermediates(images)[0])

    def get_classifier(self) -> nn.Module:
        return self.linear


def cifar_resnet(classes: int, image_size: int, *, depth: int, widths: Sequence[int], shortcut: str) -> CifarResNet:
    return CifarResNet(classes, depth, widths, shortcut)


resnet20 = partial(cifar_resnet, depth=20, widths=(16, 16, 32, 64), shortcut="pad")
resnet56 = partial(cifar_resnet, depth=56, widths=(16, 16, 32, 64), shortcut="pad")
resnet8x4 = partial(cifar_resnet, depth=8, widths=(32, 64, 128, 256), shortcut="conv")
resnet32x4 = partial(cifar_resnet, depth=32, widths=(32, 64, 128, 256), shortcut="conv")


def _stage(channels: int, width: int, stride: int, blocks: int, shortcut: str) -> nn.Sequential:
    first = Block(channels, width, stride, shortcut)
    return nn.Sequential(first, *(Block(width, width, 1, shortcut) for _ in range(blocks - 1)))
