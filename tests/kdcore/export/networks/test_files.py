"""Files of an export: what they say of themselves, and that they are written as a whole or not at all."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from kdcore.errors import UserError
from kdcore.export.networks import card, files, onnx_graph
from kdcore.export.networks.onnx_session import Session
from kdcore.inspection.preprocessing import as_batch, square
from kdcore.paths import ASSETS, PROJECT

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def test_an_int8_file_runs_by_the_script_of_the_documentation_without_torch_and_this_package(student, tmp_path):
    said = files.write_int8(student, tmp_path / "student.onnx")
    assert "calibrated on 60 validation images" in said[0]
    assert re.fullmatch(r"In onnxruntime: accuracy \d+\.\d\d % \(.* to .*\)", said[1])
    assert said[2].startswith("INT8 - float32: ")
    photo = ASSETS / "samples" / "cues-star.png"
    script = re.search(
        r"```python\n(import json.*?)```", (PROJECT / "docs" / "deploy.md").read_text("utf-8"), re.DOTALL
    )
    assert script
    assert len([line for line in script[1].splitlines() if line]) == 10
    (tmp_path / "run.py").write_text(script[1])
    barred = tmp_path / "barred"
    for name in ("kdcore", "torch", "timm"):
        (barred / name).mkdir(parents=True)
        (barred / name / "__init__.py").write_text("raise ImportError('not here')")
    ran = subprocess.run(
        [sys.executable, "run.py", "student.onnx", str(photo)], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(barred)},
    )  # fmt: skip
    assert ran.stdout.strip() == "star", ran.stderr
    # and its pixels are those that the network was trained on
    pixels = as_batch([square(np.asarray(Image.open(photo).convert("RGB")))], 64)
    assert Session(tmp_path / "student.onnx").logits(pixels.numpy()).argmax() == student.network.classes.index("star")
    card = json.loads((tmp_path / "student.json").read_text())
    assert card["calibration"] == "60 validation images"
    assert card["int8_cost"]["words"] == said[2].removeprefix("INT8 - float32: ")
    assert card["data"] == {"name": "cues", "split": "test", "images": 60}


def test_a_file_says_classes_size_and_kind(student, tmp_path):
    said = files.write_onnx(student, tmp_path / "s.onnx")
    assert re.search(r"largest difference of a logit to PyTorch \d\.\de-\d\d", said[0])
    found = Session(tmp_path / "s.onnx").metadata
    assert json.loads(found["classes"]) == list(student.network.classes)
    assert (found["image_size"], found["kind"], found["network"]) == ("64", "float32", "cues-student")
    card = json.loads((tmp_path / "s.json").read_text())
    assert card["accuracy"]["low"] <= card["accuracy"]["top1"] <= card["accuracy"]["high"]
    assert sorted(os.listdir(tmp_path)) == ["s.json", "s.onnx"]


@pytest.mark.parametrize("write", [files.write_onnx, files.write_int8])
def test_an_export_that_fails_leaves_the_file_of_before(write, student, tmp_path, monkeypatch):
    (tmp_path / "s.onnx").write_bytes(b"old")

    def fails(*_, **__):
        raise UserError("the disk is gone")

    monkeypatch.setattr(card, "content", fails)  # the last thing that is written
    with pytest.raises(UserError, match="the disk is gone"):
        write(student, tmp_path / "s.onnx")
    assert (tmp_path / "s.onnx").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["s.onnx"]


def test_normalising_is_a_part_of_the_file(make_network):
    network = make_network("three_stage_cnn_16")
    session = Session(onnx_graph.exported(network).model.SerializeToString())
    images = torch.rand(2, 3, 32, 32)
    twice = session.logits(((images - network.mean) / network.std).numpy())
    assert np.abs(session.logits(images.numpy()) - twice).max() > 1e-3
