"""Plain convolutional students: a row of stages, each some 3x3 convolutions, then the mean over the map and a classifier."""

from collections.abc import Sequence

from torch import Tensor, nn

from kdcore.errors import UserError


class StagedCNN(nn.Module):
    """Stages of convolution, BatchNorm and ReLU.

    Args:
        widths: channels of each stage.
        strides: of each stage's first convolution.
        convolutions: 3x3 convolutions in a stage, one number for all stages or one each.
    """

    def __init__(
        self, classes: int, widths: Sequence[int], strides: Sequence[int], convolutions: int | Sequence[int]
    ) -> None:
        super().__init__()
        if len(widths) != len(strides):
            raise UserError(
                f"{len(widths)} widths do not go with {len(strides)} strides: give one of each for every stage."
            )
        counts = [convolutions] * len(widths) if isinstance(convolutions, int) else list(convolutions)
        if len(counts) != len(widths) or min(counts) < 1:
            raise UserError(
                f"convolutions {counts} do not go with {len(widths)} stages: give one number, or one of 1 or more for each stage."
            )
        stages = []
        channels = 3
        for width, stride, count in zip(widths, strides, counts, strict=True):
            stages.append(_stage(channels, width, stride, count))
            channels = width
        self.stages = nn.ModuleList(stages)
        self.head = nn.Linear(channels, classes)

    def forward_intermediates(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The last map, and the maps of all stages."""
        maps = []
        for stage in self.stages:
            images = stage(images)
            maps.append(images)
        return images, maps

    def forward_head(self, features: Tensor) -> Tensor:
        return self.head(features.mean(dim=(2, 3)))

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_intermediates(images)[0])

    def get_classifier(self) -> nn.Module:
        return self.head


def three_stage_cnn(
    classes: int,
    image_size: int,
    *,
    widths: Sequence[int] = (64, 128, 256),
    strides: Sequence[int] = (2, 2, 1),
    convolutions: int | Sequence[int] = 2,
) -> StagedCNN:
    """The student of the project behind vit-to-cnn: 64 channels at a half of the input's side, 128 and 256 at a quarter.

    1.15 M parameters; the project's baseline has 1.2 M. With `convolutions: [2, 2, 3]` it has 1.74 M; the project's
    student has 1.8 M, in which a projection to the teacher's width is counted.
    """
    return StagedCNN(classes, widths, strides, convolutions)


def three_stage_cnn_16(
    classes: int,
    image_size: int,
    *,
    widths: Sequence[int] = (16, 32, 64),
    strides: Sequence[int] = (2, 2, 2),
    convolutions: int | Sequence[int] = 2,
) -> StagedCNN:
    """A small one: maps at a half, a quarter and an eighth, so 8x8 at last for 64 px; for 32 px take strides 1, 2, 2."""
    return StagedCNN(classes, widths, strides, convolutions)


def five_conv(
    classes: int,
    image_size: int,
    *,
    widths: Sequence[int] = (32, 64, 128, 256, 384),
    strides: Sequence[int] = (1, 2, 2, 2, 1),
) -> StagedCNN:
    """The five-convolution student of the project behind adaptive-hints: 1.28 M parameters, reported as about 1.3 M."""
    return StagedCNN(classes, widths, strides, convolutions=1)


def _stage(channels: int, width: int, stride: int, convolutions: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index in range(convolutions):
        layers += [
            nn.Conv2d(channels if index == 0 else width, width, 3, stride if index == 0 else 1, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
