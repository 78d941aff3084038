"""A network whose forward returns logits, pooled vector, feature maps and attention, as requested."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.nn.functional as F
import torchvision.models as tv
from torch import Tensor, nn

from kdcore.errors import UserError, clipped
from kdcore.models.taps import Reader, TimmReader, distills, has_class_token
from kdcore.models.torchvision_taps import TorchvisionReader, TorchvisionViTReader
from kdcore.tensors.outputs import Outputs, Shapes

LOGITS = frozenset({"logits"})
Ask = Callable[[Tensor, frozenset[str]], Outputs]
Statistics = tuple[float, float, float]
# what networks raise in a forward whose maps become empty or do not fit each other
UNFIT = (RuntimeError, ValueError, AssertionError, IndexError, TypeError, ZeroDivisionError)


class Tapped(nn.Module):
    """A classifier with one interface: images in [0, 1] -> Outputs.

    It normalises by its own mean and std, and with `resizes` it resizes images to its own size, so two networks can share a
    batch. The hooks are set once and store nothing between
    forwards. One forward at a time: models shared between threads need a lock.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        net: nn.Module,
        *,
        name: str,
        classes: tuple[str, ...],
        image_size: int,
        mean: Statistics,
        std: Statistics,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.net = net
        self.name = name
        self.classes = tuple(classes)
        self.image_size = image_size
        self.options = dict(options or {})
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self._statistics = (tuple(float(m) for m in mean), tuple(float(s) for s in std))
        # mean and std of the weights, where a recipe gives others
        self.came_with: tuple[Statistics, Statistics] = (mean, std)
        self._reader = _reader_for(net)
        self._shapes: Shapes | None = None
        self.dtype: torch.dtype | None = None  # what the network computes in, where that is not float32
        self.resizes = False  # whether images of another size are resized to `image_size`

    @property
    def prefix_tokens(self) -> int:
        """Class, distillation and register tokens before the patches; 0 for a CNN."""
        return self._reader.prefix_tokens

    @property
    def has_attention(self) -> bool:
        """Whether there is a class token whose attention can be read."""
        return self._reader.attention_layers > 0

    def forward(self, images: Tensor, needs: frozenset[str] = LOGITS) -> Outputs:
        """One forward through the network.

        Args:
            images: [B, 3, H, W] in [0, 1].
            needs: of logits, pooled, features, attention, dense, qkv; the first two are always given; outputs
                that a network does not have are left out.

        Raises:
            UserError: attention is requested of a network with a class token whose attention cannot be read.
        """
        if "dense" in needs and self.shapes().dense is None:
            needs -= {"dense"}
        return self._reader.read(self._normalised(images), needs)

    def _normalised(self, images: Tensor) -> Tensor:
        if self.resizes:
            images = self.at_own_size(images)
        normalised = (images - self.mean) / self.std
        return normalised if self.dtype is None else normalised.to(self.dtype)

    def at_own_size(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] as they are where they have `image_size`, else resized to it (bilinear, antialiased)."""
        side = (self.image_size, self.image_size)
        return images if images.shape[2:] == side else F.interpolate(images, side, mode="bilinear", antialias=True)

    def shapes(self) -> Shapes:
        """The shapes of the outputs, from one forward in eval mode; the model does not change."""
        if self._shapes is None:
            needs = frozenset({"features", "dense", "qkv"} | ({"attention"} if self.has_attention else set()))
            side = self.image_size
            image = torch.linspace(0, 1, 3 * side * side, device=self.mean.device, dtype=self.mean.dtype)
            image = image.view(1, 3, side, side)
            with in_eval(self), torch.no_grad():
                outputs = self._read_first(image, needs)
            self._shapes = Shapes(
                classes=outputs.logits.shape[1],
                pooled=outputs.pooled.shape[1],
                features=tuple((m.shape[1], m.shape[2], m.shape[3]) for m in outputs.features),
                attention=tuple((m.shape[1], m.shape[2], m.shape[3]) for m in outputs.attention),
                tokens=self._reader.tokens,
                dense=_averaged(outputs),
                qkv=None if outputs.qkv is None else cast(tuple[int, int, int, int], tuple(outputs.qkv.shape[2:])),
                distilled=distills(self.net),
                class_token=has_class_token(self.net),
            )
        return self._shapes

    def _read_first(self, image: Tensor, needs: frozenset[str]) -> Outputs:
        """The outputs for one image; an image size that the network cannot take is a UserError."""
        try:
            return self._reader.read(self._normalised(image), needs)
        except UNFIT as error:
            on_shapes_alone = (
                type(image) is not Tensor or image.is_meta
            )  # where whoever tries it has a reason of its own
            if isinstance(error, UserError | torch.OutOfMemoryError | NotImplementedError) or on_shapes_alone:
                raise
            side, usual = self.image_size, (getattr(self.net, "pretrained_cfg", None) or {}).get("input_size")
            best = f"its usual size is {usual[-1]} px" if usual and usual[-1] != side else "a larger size may work"
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"{self.name} does not work with images of {side} px: {best} (data.image_size). PyTorch reports: {clipped(why)}"
            ) from error

    def head_parameters(self) -> list[nn.Parameter]:
        """The parameters of the classifier, of both classifiers where a distillation token has its own."""
        return [parameter for head in self._reader.heads for parameter in head.parameters()]

    def description(self) -> dict[str, Any]:
        """Everything needed to build this model again, without its weights, as plain data."""
        mean, std = self._statistics
        return {
            "model": self.name,
            "options": self.options,
            **({"classes": list(self.classes)} if self.classes else {}),
            "image_size": self.image_size,
            "mean": list(mean),
            "std": list(std),
        }


def _reader_for(net: nn.Module) -> Reader:
    if hasattr(net, "get_classifier"):
        return TimmReader(net)
    return TorchvisionViTReader(net) if isinstance(net, tv.VisionTransformer) else TorchvisionReader(net)


def _averaged(outputs: Outputs) -> tuple[int, int] | None:
    """The grid of the dense logits, if the classifier's input is the mean over the last map.

    Its inputs are compared, not the logits, as a new classifier may give 0 for all classes.
    """
    if outputs.dense is None or outputs.dense.is_meta:  # no numbers to compare
        return None
    mean = outputs.features[-1].mean(dim=(2, 3))
    gap = (outputs.pooled - mean).abs().max()
    return (outputs.dense.shape[2], outputs.dense.shape[3]) if gap <= 0.01 * mean.abs().max() else None


@contextmanager
def in_eval(model: nn.Module) -> Iterator[None]:
    """Eval mode within the block; afterwards every submodule has its previous mode."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
