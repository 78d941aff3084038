"""A hash of the content of files, for caches of images that are made with them."""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path


def of(files: Iterable[Path]) -> str:
    """A hash of the files' content and order."""
    parts = [_content(file, (status := file.stat()).st_size, status.st_mtime_ns) for file in files]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]


@lru_cache(maxsize=64)
def _content(file: Path, size: int, changed: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
