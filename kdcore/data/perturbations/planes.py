"""The bytes of a split's images at some places, channels last in memory or first; the latter are kept once for a split."""

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

MOST = 64 << 20  # bytes of a split whose images are kept a second time: 10,000 of 32 pixels have 31 MB
Places = Tensor | slice
_first: WeakIdKeyDictionary = WeakIdKeyDictionary()  # by a split's images: their version, and they with channels first


def in_a_row(places: Tensor) -> Places:
    """Places [m] on the CPU as a slice where each is the next one, so that nothing is copied; else as they are."""
    start = int(places[0]) if len(places) else 0
    stop = start + len(places)
    return slice(start, stop) if torch.equal(places, torch.arange(start, stop)) else places


def picked(images: Tensor, places: Places, *, first: bool = False) -> Tensor:
    """Some of many images, uint8 [n, 3, H, W] channels last in memory: [m, 3, H, W], not to be changed.

    Args:
        places: [m], int64, or a slice.
        first: with channels first in memory, which matrices along the axes need.
    """
    if first:
        kept = _with_channels_first(images)
        return _rows(kept, places) if kept is not None else _rows(images, places).contiguous()
    return _rows(images.permute(0, 2, 3, 1), places).permute(0, 3, 1, 2)


def _rows(images: Tensor, places: Places) -> Tensor:
    """`index_select` is faster than indexing."""
    return images[places] if isinstance(places, slice) else images.index_select(0, places.to(images.device))


def _with_channels_first(images: Tensor) -> Tensor | None:
    """All of a split's images; None where they would take too much memory."""
    if images.numel() > MOST:
        return None
    if images not in _first or _first[images][0] != version(images):
        _first[images] = (version(images), images.contiguous())
    kept: Tensor = _first[images][1]
    return kept


def version(images: Tensor) -> int:
    """A number that changes when torch changes the images in place; 0 for those made in inference mode, which count no changes."""
    return 0 if images.is_inference() else images._version
