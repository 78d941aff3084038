"""Temporary folders of the system: for the files of one piece of work, and for what later processes look for again."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "kdcore-"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """An empty folder, readable by this user alone, which is removed at the end."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as made:
        yield Path(made)


def system_folder() -> Path:
    """Where the system keeps temporary files."""
    return Path(tempfile.gettempdir())
