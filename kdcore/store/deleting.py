"""Deletes the folder of a run: renamed first, so that no part of a run is ever listed."""

import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

from kdcore.files import disk
from kdcore.store.run_files.writing import nobody_writes

REMOVALS = 3  # tries


def delete(folder: Path) -> None:
    """Delete a run's folder. Raises UserError where a process writes the run, or the disk cannot be written."""
    gone = folder.parent / f".deleted-{folder.name}-{secrets.token_hex(4)}"
    with disk.in_words(folder, then="delete it again"):
        with nobody_writes(folder):  # so that no process resumes it now
            os.replace(folder, gone)  # one operation
        _remove(gone)


def _remove(folder: Path) -> None:
    """Delete a folder into which a reader may still be writing its cache."""
    if folder.is_symlink():
        folder.unlink()
        return
    for _ in range(REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.01)
    with suppress(FileNotFoundError):  # another process sweeps it up as well
        shutil.rmtree(folder)
