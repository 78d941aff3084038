import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import exporting, making
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe

DATA = DataRecipe(name="cues", image_size=16, seed=3)


def split(n: int = 6) -> Split:
    pixels = torch.randint(0, 256, (n, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Split("test", ("a/b cat", "dog", "ship"), pixels.permute(0, 3, 1, 2), torch.arange(n) % 3)


def test_files_hold_what_networks_get_and_the_manifest_says_what_they_are(tmp_path: Path) -> None:
    given, reports = split(), []
    path = tmp_path / "sets.zip"
    conditions = [("clean", 0), ("low_pass", 4), ("fourier_cue_conflict", 1)]
    exporting.write_zip(path, DATA, given, conditions, report=lambda *each: reports.append(each))
    assert reports == [(18, 18)]
    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read("manifest.json"))
        pixels = {file: decoded(archive.read(file)) for file in archive.namelist() if file.endswith(".png")}
    assert (about["dataset"], about["split"], about["seed"], about["image_size"]) == ("cues", "test", 3, 16)
    assert torch.__version__.startswith(about["made_by"]["torch"])
    clean, low, conflict = about["sets"]
    assert clean["images"][1] == {"file": "clean/00001-dog.png", "index": 1, "label": "dog"}
    assert [each["file"] for each in low["images"][:2]] == ["low_pass@4/00000-a_b_cat.png", "low_pass@4/00001-dog.png"]
    assert (low["set"], low["strength"], len(low["code"])) == ("low_pass", 4.0, 16)
    np.testing.assert_array_equal(pixels["clean/00001-dog.png"], given.images[1].permute(1, 2, 0).numpy())
    for written, name, strength in ((low, "low_pass", 4), (conflict, "fourier_cue_conflict", 1)):
        ((_, batch),) = making.batches(given, perturbations.get(name), strength)
        for entry, image in zip(written["images"], batch.images, strict=True):
            np.testing.assert_array_equal(pixels[entry["file"]] / np.float32(255), image.permute(1, 2, 0).numpy())
        if batch.textures is not None:
            assert [each["texture"] for each in written["images"]] == [given.classes[t] for t in batch.textures]
    assert all(each["texture"] != each["label"] for each in conflict["images"])


def decoded(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_the_same_content_is_the_same_file(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one.zip", "two.zip")]
    for path in paths:
        exporting.write_zip(path, DATA, split(), [("fog", 3)])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_file_beyond_the_limit_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="larger than 1e-06 GB after 6 of 6 images: choose fewer images or fewer sets"):
        exporting.write_zip(tmp_path / "sets.zip", DATA, split(), [("clean", 0)], most_gb=1e-6)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_made_or_written_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Silhouettes cannot be made from these test images: it needs masks"):
        exporting.write_zip(tmp_path / "sets.zip", DATA, split(), [("silhouettes", 1)])
    with pytest.raises(UserError, match="could not be written: .*Choose a folder with enough space"):
        exporting.write_zip(tmp_path / "missing" / "sets.zip", DATA, split(), [("clean", 0)])
    assert list(tmp_path.iterdir()) == []
