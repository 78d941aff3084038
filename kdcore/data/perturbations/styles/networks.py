"""Fast style networks: one forward pass gives an image the style of one painting.

Johnson et al., ECCV 2016, https://arxiv.org/abs/1603.08155

The layers are those of TransformerNet in pytorch/examples, fast_neural_style, so files trained with it are read, with
any number of channels: 32 there, 16 in the `_nc16` files. Normalisation is by instance, so an image's result does not
depend on its batch.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from kdcore import paths
from kdcore.errors import UserError
from kdcore.models.importing import pickles

MOST_CHANNELS = 128
LEVELS = 255  # the networks take and give pixels from 0 to 255


class Conv(nn.Module):
    """A convolution after reflection padding, and after nearest upsampling where `up` is more than 1."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, up: int = 1) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(inputs, outputs, kernel, stride)
        self.up = up

    def forward(self, x: Tensor) -> Tensor:
        if self.up > 1:
            x = F.interpolate(x, scale_factor=self.up, mode="nearest")
        border = self.conv2d.kernel_size[0] // 2
        found: Tensor = self.conv2d(F.pad(x, (border,) * 4, mode="reflect"))
        return found


class Residual(nn.Module):
    """Two normalised convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.in1 = Conv(channels, channels, 3), nn.InstanceNorm2d(channels, affine=True)
        self.conv2, self.in2 = Conv(channels, channels, 3), nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x + self.in2(self.conv2(self.in1(self.conv1(x)).relu()))
        return found


class StyleNetwork(nn.Module):
    """Images in [0, 1] -> stylised images in [0, 1]: [m, 3, H, W], sides divisible by 4. Names as in the files."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        n = channels
        self.conv1, self.in1 = Conv(3, n, 9), nn.InstanceNorm2d(n, affine=True)
        self.conv2, self.in2 = Conv(n, 2 * n, 3, stride=2), nn.InstanceNorm2d(2 * n, affine=True)
        self.conv3, self.in3 = Conv(2 * n, 4 * n, 3, stride=2), nn.InstanceNorm2d(4 * n, affine=True)
        self.res1, self.res2, self.res3, self.res4, self.res5 = (Residual(4 * n) for _ in range(5))
        self.deconv1, self.in4 = Conv(4 * n, 2 * n, 3, up=2), nn.InstanceNorm2d(2 * n, affine=True)
        self.deconv2, self.in5 = Conv(2 * n, n, 3, up=2), nn.InstanceNorm2d(n, affine=True)
        self.deconv3 = Conv(n, 3, 9)

    def forward(self, images: Tensor) -> Tensor:
        x = images * LEVELS
        for conv, norm in ((self.conv1, self.in1), (self.conv2, self.in2), (self.conv3, self.in3)):
            x = norm(conv(x)).relu()
        for block in (self.res1, self.res2, self.res3, self.res4, self.res5):
            x = block(x)
        for conv, norm in ((self.deconv1, self.in4), (self.deconv2, self.in5)):
            x = norm(conv(x)).relu()
        return (self.deconv3(x) / LEVELS).clamp(0, 1)


def folder() -> Path:
    """Where style networks are looked for."""
    return paths.data_folder() / "style"


def files() -> dict[str, Path]:
    """The files of style networks by their names without `.pth`, sorted."""
    return {path.stem: path for path in sorted(folder().glob("*.pth"))}


def read(file: Path) -> StyleNetwork:
    """The style network in a file of torch.save, in eval mode. No code in the file is run.

    Raises:
        UserError: the file is damaged, or holds another network.
    """
    status = file.stat()
    return _read(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _read(file: Path, size: int, changed: int) -> StyleNetwork:
    state: Any = pickles.read(paths.allowed(file))
    known = StyleNetwork(1).state_dict().keys()
    # older releases of PyTorch wrote statistics that instance normalisation never used
    kept = {k: v for k, v in state.items() if ".running_" not in k} if isinstance(state, dict) else {}
    first = kept.get("conv1.conv2d.weight")
    if kept.keys() != known or not isinstance(first, Tensor) or first.dim() != 4 or len(first) > MOST_CHANNELS:
        raise UserError(
            f"{file} is no style network: the tensors of TransformerNet in pytorch/examples (fast_neural_style) were expected, "
            f"conv1.conv2d.weight to deconv3.conv2d.bias, {len(known)} in all; it has {len(kept)}."
        )
    net = StyleNetwork(len(first))
    try:
        net.load_state_dict(kept)
    except RuntimeError:
        raise UserError(
            f"{file} is no style network: some of its tensors have other shapes than the first implies."
        ) from None
    if not all(value.isfinite().all() for value in net.state_dict().values()):
        raise UserError(f"{file} has weights that are not numbers: it is damaged. Copy it again.")
    return net.eval().requires_grad_(requires_grad=False)
