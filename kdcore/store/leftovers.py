"""What killed processes left in the folders of runs and data, removed when a runner starts."""

import contextlib
import os
import re
import shutil
import time
from pathlib import Path

from kdcore.files import atomic

RUN_PARTS = (".", "checkpoints", "commands", "probes", "robustness", "snapshots")
CACHES = (
    ".", "cues", "decoded", "folders", "listings", "networks", "shared-photos", "teachers", "teacher-cache", "weights",
    "weights/own",
)  # fmt: skip
CACHES_OF_FOLDERS = ("decoded", "robustness", "teacher-cache")
EMPTY_RUN = re.compile(r"\d{8}-\d{6}-[A-Za-z0-9._-]+")
EMPTY_FOR = 3600.0  # seconds; earlier versions made a run's folder before its recipe
REMOVED = ".deleted-"  # a folder that is being deleted


def sweep_runs(root: Path) -> None:
    """Remove unfinished deletions, temporary files of processes that have ended, and folders of runs that never began."""
    atomic.sweep(root)
    atomic.sweep(root / "studies")
    for entry in _entries(root):
        if entry.name.startswith(REMOVED):
            shutil.rmtree(entry, ignore_errors=True)
        elif EMPTY_RUN.fullmatch(entry.name):
            for part in RUN_PARTS:
                atomic.sweep(entry / part)
            _remove_if_never_begun(entry)


def sweep_data(data: Path) -> None:
    """Remove temporary files of processes that have ended from the caches."""
    for name in CACHES:
        atomic.sweep(data / name)
    for name in CACHES_OF_FOLDERS:
        for entry in _entries(data / name):
            atomic.sweep(entry)


def _entries(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as found:
            return [Path(entry.path) for entry in found if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _remove_if_never_begun(folder: Path) -> None:
    with contextlib.suppress(OSError):  # rmdir refuses a folder that is not empty
        if time.time() - folder.stat().st_mtime > EMPTY_FOR:
            folder.rmdir()
