"""A data folder of the tests' own."""

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def data_folder(_kept: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `kdcore` keeps datasets during these tests; what one test draws, the next finds."""
    monkeypatch.setenv("KD_DATA", str(_kept))
    return _kept
