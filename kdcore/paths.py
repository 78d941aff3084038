"""Folders of runs, data and assets. Environment variables move them."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
ASSETS = PROJECT / "assets"


def runs_folder() -> Path:
    """Folder of run folders: `KD_RUNS`, else `runs/` in the project."""
    return Path(os.environ.get("KD_RUNS") or PROJECT / "runs").expanduser().resolve()


def data_folder() -> Path:
    """Folder of downloaded and generated datasets: `KD_DATA`, else `data/` in the project."""
    return Path(os.environ.get("KD_DATA") or PROJECT / "data").expanduser().resolve()


def test_data_folder() -> Path:
    """Folder of real data that only tests and benchmarks read: `KD_TEST_DATA`, else `../shared/data`."""
    return Path(os.environ.get("KD_TEST_DATA") or PROJECT.parent / "shared" / "data").expanduser().resolve()


def weight_file(name: str) -> Path:
    """A weight file by its path or, where there is none, by its name in `weights/` of the data folder."""
    path = Path(name).expanduser()
    return path if path.is_file() or path.is_absolute() else data_folder() / "weights" / path
