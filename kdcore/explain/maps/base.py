"""What the maps share: the card that describes one, their errors, and how a model is asked and left as it was."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.models import Tapped
from kdcore.models.tapped import in_eval

Hook = tuple[nn.Module, Callable[..., Any]]


@dataclass(frozen=True)
class MethodCard:
    """What a page says of a map before it is chosen."""

    title: str
    shows: str  # one plain sentence
    architectures: Literal["any", "vit"]
    takes_layer: bool = False
    takes_head: bool = False
    takes_query: bool = False  # asks about one patch: what it attends to, or what it resembles
    needs_gradient: bool = False
    explains_class: bool = False  # the map differs by the class that it is asked for


@dataclass(frozen=True, eq=False)
class Ask:
    """What is asked of a map.

    target: [B] int64, the class to explain; the one that the model names unless given.
    against: [B] int64, a class whose score is subtracted: what speaks for `target` rather than for `against`.
    layer, head: counted from 0; the last layer and all heads unless given.
    query: (row, column) of a patch, for maps that ask about one; the middle unless given.
    """

    target: Tensor | None = None
    against: Tensor | None = None
    layer: int | None = None
    head: int | None = None
    query: tuple[int, int] | None = None

    def score(self, logits: Tensor) -> Tensor:
        """The sum over the batch of the scores [B] to be explained."""
        score = logits.gather(1, chosen_class(logits, self.target)[:, None])
        if self.against is not None:
            score = score - logits.gather(1, self.against.to(logits.device)[:, None])
        return score.sum()

    def cell(self, grid: tuple[int, int]) -> int:
        """The number of the patch that is asked about, row by row."""
        row, column = (grid[0] // 2, grid[1] // 2) if self.query is None else self.query
        if not (0 <= row < grid[0] and 0 <= column < grid[1]):
            raise UserError(
                f"There is no patch {(row, column)}: this map has rows 0 to {grid[0] - 1} and columns 0 to {grid[1] - 1}."
            )
        return row * grid[1] + column


class NotDefined(UserError):
    """A map that this model cannot have; the message says why."""


class EmptyMap(UserError):
    """A map that came out empty, constant or not a number; the message says which and why."""


@contextlib.contextmanager
def left_as_it_was(model: nn.Module) -> Iterator[None]:
    """The model in eval mode; every module's mode, the buffers and the random state are put back, bit for bit."""
    buffers = [
        (module, name, buffer, buffer._version, buffer.clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    first = next(model.parameters(), None)
    devices = [first.device] if first is not None and first.is_cuda else []
    with torch.random.fork_rng(devices=devices), in_eval(model):
        try:
            yield
        finally:
            for module, name, buffer, version, saved in buffers:
                module._buffers[name] = buffer
                if buffer._version != version:  # only what was written to: copying would cost a wait for the GPU
                    with torch.no_grad():
                        buffer.copy_(saved)


@contextlib.contextmanager
def hooked(hooks: list[Hook], *, before: bool = False) -> Iterator[None]:
    """With a forward hook on each of the modules; removed at the end, whatever happens."""
    with contextlib.ExitStack() as stack:
        for module, hook in hooks:
            register = module.register_forward_pre_hook if before else module.register_forward_hook
            stack.callback(register(hook).remove)
        yield


def last_shape(model: Tapped, images: Tensor) -> tuple[int, int, int]:
    """(C, H, W) of the model's last features for images of this size."""
    if tuple(images.shape[2:]) == (model.image_size, model.image_size):
        return model.shapes().features[-1]
    with torch.no_grad():
        channels, height, width = model(images[:1], frozenset({"features"})).features[-1].shape[1:]
    return channels, height, width


def chosen_class(logits: Tensor, target: Tensor | None) -> Tensor:
    """The class asked for, else the one that the model names: int64 [B]."""
    return logits.argmax(dim=1) if target is None else target.to(logits.device)


def as_grid(tokens: Tensor, grid: tuple[int, int], channels: int) -> Tensor:
    """Tokens [B, N, C] without the prefix, or a map in either order, as [B, C, H, W]."""
    if tokens.dim() == 3:
        patches = tokens[:, tokens.shape[1] - grid[0] * grid[1] :]
        return patches.transpose(1, 2).unflatten(2, grid)
    if tuple(tokens.shape[1:]) == (*grid, channels):
        return tokens.permute(0, 3, 1, 2)
    return tokens
