"""Checksums of the tensors and texts of a weight file: a changed bit is noticed when it is read."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from kdcore.errors import UserError, clipped

KEY = "crc32"  # of the header's entry


def of(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> str:
    """The CRC-32 of each tensor (with its type and shape) and each text of the header, as JSON; about 1 ms a megabyte."""
    return json.dumps({**{name: _of(tensor) for name, tensor in tensors.items()}, **_of_texts(texts)})


def check(header: Mapping[str, str], tensors: Mapping[str, Tensor], path: Path) -> None:
    """Compare tensors and texts with the checksums in a header. Files of earlier versions have none, and are not checked.

    Raises:
        UserError: one of them differs; names it.
    """
    if KEY not in header:
        return
    try:
        written = json.loads(header[KEY])
        differs = next((name for name, tensor in tensors.items() if written[name] != _of(tensor)), None)
        texts = _of_texts({name: text for name, text in header.items() if f"__{name}__" in written})
        differs = differs or next((name for name, found in texts.items() if written[name] != found), None)
    except (ValueError, KeyError, TypeError, RecursionError):
        differs = "the list of checksums"
    if differs:
        raise UserError(
            f"{path} is damaged: {clipped(differs, 80)} differs from the checksum that was written with it. Use another copy of "
            "the file, or an earlier checkpoint."
        )


def _of(tensor: Tensor) -> str:
    plain = tensor.detach().cpu().contiguous()
    begun = zlib.crc32(f"{plain.dtype} {tuple(plain.shape)}".encode())
    return f"{zlib.crc32(plain.reshape(-1).view(torch.uint8).numpy().data, begun):08x}"


def _of_texts(texts: Mapping[str, str]) -> dict[str, str]:
    return {f"__{name}__": f"{zlib.crc32(text.encode()):08x}" for name, text in texts.items()}
