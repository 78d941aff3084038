"""Small vision transformers for small images, with convolutions instead of a patch embedding.

A few stride-2 convolutions let a ViT learn from few images and with any optimizer: Xiao et al., Early Convolutions Help
Transformers See Better, NeurIPS 2021, https://arxiv.org/abs/2106.14881
"""

from functools import partial
from typing import Any

from timm.layers import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from kdcore.errors import UserError


class ConvStem(PatchEmbed):
    """timm's patch embedding with its one convolution replaced: 3x3 with stride 2 until a patch is one cell, then 1x1."""

    def __init__(
        self, img_size: int | None = 32, patch_size: int = 4, in_chans: int = 3, embed_dim: int = 192, **keywords: Any
    ) -> None:
        super().__init__(img_size, patch_size, in_chans, embed_dim, **keywords)
        halvings = patch_size.bit_length() - 1
        if 2**halvings != patch_size:
            raise UserError(
                f"The patch size must be a power of two for a stem of stride-2 convolutions, not {patch_size}."
            )
        layers: list[nn.Module] = []
        channels = in_chans
        for step in range(halvings):
            width = embed_dim // 2 ** (halvings - 1 - step)
            layers += [
                nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            channels = width
        self.proj = nn.Sequential(*layers, nn.Conv2d(channels, embed_dim, 1))  # type: ignore[assignment]


class DeepConvStem(PatchEmbed):
    """3x3 convolutions at three resolutions until a patch of 4 x 4 pixels is one cell: a hybrid of CNN and ViT.

    A cell sees 24 x 24 pixels. Hybrids learn from fewer images than a plain ViT: Dosovitskiy et al., An Image is Worth 16x16
    Words, ICLR 2021, section 3.1, https://arxiv.org/abs/2010.11929
    """

    def __init__(
        self, img_size: int | None = 32, patch_size: int = 4, in_chans: int = 3, embed_dim: int = 160, **keywords: Any
    ) -> None:
        super().__init__(img_size, patch_size, in_chans, embed_dim, **keywords)
        if patch_size != 4:
            raise UserError(f"The patch size of a deep convolutional stem is 4, not {patch_size}.")
        self.proj = nn.Sequential(  # type: ignore[assignment]
            *_convolution(in_chans, 32), *_convolution(32, 64), nn.MaxPool2d(2),
            *_convolution(64, 64), *_convolution(64, 128), nn.MaxPool2d(2),
            *_convolution(128, 128), nn.Conv2d(128, embed_dim, 1),
        )  # fmt: skip


def _convolution(channels: int, width: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    ]


def small_vit(
    stem: type[PatchEmbed],
    classes: int,
    image_size: int,
    *,
    patch_size: int,
    dim: int,
    depth: int,
    heads: int,
    drop_path_rate: float = 0.0,
) -> VisionTransformer:
    return VisionTransformer(
        img_size=image_size,
        patch_size=patch_size,
        embed_dim=dim,
        depth=depth,
        num_heads=heads,
        num_classes=classes,
        drop_path_rate=drop_path_rate,
        embed_layer=stem,
    )


small_vit_patch4_32 = partial(small_vit, ConvStem, patch_size=4, dim=192, depth=6, heads=3)
small_vit_patch8_64 = partial(small_vit, ConvStem, patch_size=8, dim=128, depth=6, heads=4)
hybrid_vit_patch4_32 = partial(small_vit, DeepConvStem, patch_size=4, dim=128, depth=4, heads=4)
