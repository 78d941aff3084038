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


def small_vit(
    classes: int, image_size: int, *, patch_size: int, dim: int, depth: int, heads: int, drop_path_rate: float = 0.0
) -> VisionTransformer:
    return VisionTransformer(
        img_size=image_size,
        patch_size=patch_size,
        embed_dim=dim,
        depth=depth,
        num_heads=heads,
        num_classes=classes,
        drop_path_rate=drop_path_rate,
        embed_layer=ConvStem,
    )


small_vit_patch4_32 = partial(small_vit, patch_size=4, dim=192, depth=6, heads=3)
small_vit_patch8_64 = partial(small_vit, patch_size=8, dim=128, depth=6, heads=4)
