"""How a network is read and left unchanged: modes, buffers and random state put back, hooks removed."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from kdcore.models import Tapped
from kdcore.models.tapped import in_eval

Hook = tuple[nn.Module, Callable[..., Any]]


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


def as_grid(tokens: Tensor, grid: tuple[int, int], channels: int) -> Tensor:
    """Tokens [B, N, C] without the prefix, or a map in either order, as [B, C, H, W]."""
    if tokens.dim() == 3:
        patches = tokens[:, tokens.shape[1] - grid[0] * grid[1] :]
        return patches.transpose(1, 2).unflatten(2, grid)
    if tuple(tokens.shape[1:]) == (*grid, channels):
        return tokens.permute(0, 3, 1, 2)
    return tokens
