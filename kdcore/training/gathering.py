"""Outputs of a network for the batch of all processes; feature maps are gathered when a loss reads them."""

import dataclasses
from collections.abc import Sequence
from typing import Any, cast, overload

from torch import Tensor

from kdcore.runtime import distributed
from kdcore.tensors.outputs import Batch, Outputs


def of_all(outputs: Outputs, images: int) -> Outputs:
    """The outputs for the whole batch, with a gradient to this process's own.

    Args:
        images: of the whole batch.
    """
    found = {
        each.name: _gathered(getattr(outputs, each.name), images)
        for each in dataclasses.fields(outputs)
        if each.name != "views"
    }
    views = outputs.views and _views(outputs.views, len(outputs.logits), images)
    return Outputs(**found, views=views)


def logits(own: Tensor, batch: Batch) -> Tensor:
    """Logits for the whole batch, without a gradient."""
    return _whole(own.detach(), len((batch.whole or batch).targets))


class _Maps(Sequence[Tensor]):
    """Maps of all layers, each gathered once it is read: of most layers a loss reads none, and maps are large."""

    def __init__(self, maps: Sequence[Tensor], images: int) -> None:
        self._maps, self._images = maps, images
        self._whole: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self._maps)

    @overload
    def __getitem__(self, place: int) -> Tensor: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Tensor, ...]: ...
    def __getitem__(self, place: int | slice) -> Tensor | tuple[Tensor, ...]:
        if isinstance(place, slice):
            return tuple(self[layer] for layer in range(len(self))[place])
        layer = range(len(self))[place]
        if layer not in self._whole:
            self._whole[layer] = _whole(self._maps[layer], self._images)
        return self._whole[layer]


def _gathered(value: Any, images: int) -> Any:
    if isinstance(value, tuple):
        return cast(tuple[Tensor, ...], _Maps(value, images))
    return None if value is None else _whole(value, images)


def _whole(own: Tensor, images: int) -> Tensor:
    return own if own.is_meta else distributed.whole(own, images)  # of cached outputs only those in use are there


def _views(views: Outputs, own: int, images: int) -> Outputs:
    """Outputs for several views of each image, which come as one view of all images after another."""

    def gathered(value: Tensor) -> Tensor:
        of_each_image = value.unflatten(0, (-1, own)).transpose(0, 1)
        return distributed.whole(of_each_image, images).transpose(0, 1).flatten(0, 1)

    def of(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(gathered(each) for each in value)
        return None if value is None or value.is_meta else gathered(value)

    return Outputs(**{each.name: of(getattr(views, each.name)) for each in dataclasses.fields(views)})
