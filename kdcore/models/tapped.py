"""A network with taps: one forward gives logits, pooled vector, feature maps and attention, as far as they are asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from kdcore.models.taps import reader_for
from kdcore.outputs import Outputs, Shapes

LOGITS = frozenset({"logits"})
Statistics = tuple[float, float, float]


class Tapped(nn.Module):
    """Any classifier as the rest of the project sees it: images in [0, 1] -> Outputs.

    It normalises by its own mean and std, so two networks can share a batch. The taps are hooks that are set once and keep
    nothing between two forwards; one forward at a time, so whoever shares a model between threads locks.
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
        self._reader = reader_for(net)
        self._shapes: Shapes | None = None

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
            needs: of logits, pooled, features, attention, dense, qkv; the first two are always given, and what a
                network does not have is left out.

        Raises:
            ValueError: attention is asked of a network that has a class token, but whose attention cannot be read.
        """
        return self._reader.read((images - self.mean) / self.std, needs)

    def shapes(self) -> Shapes:
        """The shapes of the outputs, from one grey ramp in eval mode; nothing of the model changes."""
        if self._shapes is None:
            needs = frozenset({"features", "dense", "qkv"} | ({"attention"} if self.has_attention else set()))
            side = self.image_size
            image = torch.linspace(0, 1, 3 * side * side, device=self.mean.device, dtype=self.mean.dtype)
            image = image.view(1, 3, side, side)
            with in_eval(self), torch.no_grad():
                said = self(image, needs)
            self._shapes = Shapes(
                classes=said.logits.shape[1],
                pooled=said.pooled.shape[1],
                features=tuple((m.shape[1], m.shape[2], m.shape[3]) for m in said.features),
                attention=tuple((m.shape[1], m.shape[2], m.shape[3]) for m in said.attention),
                tokens=self._reader.tokens,
                dense=_averaged(said),
                qkv=None if said.qkv is None else cast(tuple[int, int, int, int], tuple(said.qkv.shape[2:])),
                distilled=hasattr(self.net, "head_dist"),
            )
        return self._shapes

    def head_parameters(self) -> list[nn.Parameter]:
        """The parameters of the classifier, of both classifiers where a distillation token has its own."""
        return [parameter for head in self._reader.heads for parameter in head.parameters()]

    def description(self) -> dict[str, Any]:
        """What it takes to build this model again, without its weights, as plain data."""
        mean, std = self._statistics
        return {
            "model": self.name,
            "options": self.options,
            "classes": list(self.classes),
            "image_size": self.image_size,
            "mean": list(mean),
            "std": list(std),
        }


def _averaged(said: Outputs) -> tuple[int, int] | None:
    """The grid of the dense logits, if their mean over places is what the network says."""
    if said.dense is None or said.dense.is_meta:  # without numbers nothing can be compared
        return None
    mean = said.dense.mean(dim=(2, 3))
    return (said.dense.shape[2], said.dense.shape[3]) if torch.allclose(mean, said.logits, atol=1e-3, rtol=1e-3) else None


@contextmanager
def in_eval(model: nn.Module) -> Iterator[None]:
    """Eval mode for a while; afterwards every submodule has the mode that it had."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
