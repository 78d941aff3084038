"""Whether a file of weights is complete, from its header alone and without torch."""

import json
import struct
from functools import lru_cache
from pathlib import Path

from kdcore.files.reading import regular

MOST_HEADER = 100_000_000  # bytes, the limit of safetensors


def is_whole(path: Path) -> bool:
    """Whether the header can be read and the file is as long as its tensors need."""
    try:
        found = regular(path)
        return _is_whole(path, found.st_size, found.st_mtime_ns)
    except OSError:
        return False


@lru_cache(maxsize=1024)
def _is_whole(path: Path, size: int, written: int) -> bool:
    with path.open("rb") as file:
        try:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size - 8, MOST_HEADER):
                return False
            header = json.loads(file.read(length))
            ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
            return bool(8 + length + max(ends, default=0) == size)
        except (struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
            return False
