"""A data folder of the tests' own, and the real CIFAR-10 where `../shared/data` has it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kdcore.paths import test_data_folder as real_data_folder

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def data_folder(_kept: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `kdcore` keeps datasets during these tests; what one test draws, the next finds."""
    monkeypatch.setenv("KD_DATA", str(_kept))
    return _kept


@pytest.fixture(scope="session")
def cifar10_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the real CIFAR-10 in it. By hand: `python ../shared/data/cifar10/unpack.py data`."""
    unpack = real_data_folder() / "cifar10" / "unpack.py"
    if not unpack.is_file():
        pytest.skip(f"the real CIFAR-10 is not in {unpack.parent} (KD_TEST_DATA)")
    folder = tmp_path_factory.mktemp("cifar10")
    subprocess.run([sys.executable, str(unpack), str(folder)], check=True, capture_output=True)
    return folder
