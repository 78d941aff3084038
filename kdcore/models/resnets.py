"""Options for torchvision's ResNets: dropout before the classifier, and a stem for small images."""

from typing import Any, cast

import torch
from torch import nn

from kdcore.errors import UserError

OPTIONS = ("dropout", "small_stem")


def changed(net: nn.Module, *, dropout: float = 0.0, small_stem: bool = False) -> nn.Module:
    """The network with these options.

    Args:
        dropout: before the classifier, as a share of the pooled vector.
        small_stem: a 3x3 convolution with stride 1 and no pooling instead of 7x7 with stride 2 and pooling, so that the
            maps of a 32 px image are 32, 16, 8 and 4 wide and not 8, 4, 2 and 1. Its weights are the middle of the 7x7's.
    """
    resnet = cast(Any, net)
    if not 0 <= dropout < 1:
        raise UserError(f"dropout must be from 0 to below 1, not {dropout}.")
    if small_stem:
        old = resnet.conv1
        resnet.conv1 = nn.Conv2d(3, old.out_channels, 3, padding=1, bias=False)
        with torch.no_grad():
            resnet.conv1.weight.copy_(old.weight[:, :, 2:5, 2:5])
        resnet.maxpool = nn.Identity()
    if dropout:
        resnet.fc = nn.Sequential(nn.Dropout(dropout), resnet.fc)
    return net
