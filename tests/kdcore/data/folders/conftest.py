import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def encoded(seed: int, form: str = "PNG", side: int = 12) -> bytes:
    """A picture of noise, another one for each seed."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)).save(file, form)
    return file.getvalue()


@pytest.fixture
def fill(tmp_path: Path) -> Callable[..., None]:
    """Write pictures into folders below tmp_path, each picture another one."""
    written = iter(range(10_000))

    def write(*folders: str, n: int = 6, name: str = "{:02}.png", form: str = "PNG") -> None:
        for folder in folders:
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            for i in range(n):
                (tmp_path / folder / name.format(i)).write_bytes(encoded(next(written), form))

    return write
