import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def encoded(seed: int, form: str = "PNG", side: tuple[int, int] = (14, 12)) -> bytes:
    """A picture of noise, another one for each seed."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*side, 3), np.uint8)).save(file, form)
    return file.getvalue()


def add(tar: tarfile.TarFile, name: str, content: bytes, **header: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in header.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(content))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a shard below tmp_path/shards: so many images of each label, with their labels as .cls, or in .json."""
    written = iter(range(10_000))

    def shard(
        name: str, labels: object = (0, 1), n: int = 5, *, ending: str = "png", label: str = "cls", **how: object
    ) -> Path:
        path = tmp_path / "shards" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w", **how) as tar:
            for _ in range(n):
                for each in labels:
                    seed = next(written)
                    add(tar, f"{seed:06}.{ending}", encoded(seed))
                    text = json.dumps({"label": each, "url": "x"}) if label == "json" else str(each)
                    add(tar, f"{seed:06}.{label}", text.encode())
        return path

    return shard
