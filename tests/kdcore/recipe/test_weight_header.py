"""Weight files from strangers: whatever their header holds, one sentence names the file and what is wrong."""

import json
import os
import re
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from kdcore import models
from kdcore.checks import preflight
from kdcore.cli.main import main
from kdcore.errors import UserError
from kdcore.models import zoo
from kdcore.recipe import RecipeError, weight_header
from kdcore.store.run_files import checkpoint

GOOD = {
    "model": "five_conv",
    "options": {"widths": [4], "strides": [1]},
    "classes": ["a", "b"],
    "image_size": 32,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.2, 0.2, 0.2],
}


def file_of(tmp_path, described):
    text = described if isinstance(described, str) else json.dumps(described)
    save_file({"a": torch.ones(1)}, tmp_path / "m.safetensors", metadata={"kdcore": text})
    return tmp_path / "m.safetensors"


def raw(tmp_path, header: bytes, length: int | None = None):
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header)
    return path


def test_a_good_description_is_read_and_what_nobody_reads_is_left_out(tmp_path):
    assert weight_header.description(file_of(tmp_path, {**GOOD, "note": {"a": [1]}})) == GOOD
    assert weight_header.description(file_of(tmp_path, {"student": GOOD, "twin": GOOD})) == {
        "student": GOOD,
        "twin": GOOD,
    }
    assert weight_header.description(file_of(tmp_path, "null")) == {}


ODD = [
    ([], "should be a mapping, not a list"),
    ("3", "should be a mapping, not a number"),
    ({**GOOD, "model": ["five_conv"]}, r"`model` should be a network's name, not \['five_conv'\]"),
    ({**GOOD, "model": "hf-hub:a/b"}, "is not a network's name"),
    ({**GOOD, "options": []}, r"`options` should be a mapping of settings, not \[\]"),
    ({**GOOD, "options": {"depth": 10**9}}, "the option depth must be a whole number from 0 to 200"),
    ({**GOOD, "options": {"depth": "a" * 10**6}}, "the option depth must be"),
    ({**GOOD, "classes": "ab"}, "`classes` should be a list of 1 to 100,000 names"),
    ({**GOOD, "classes": [1, 2]}, "`classes` should be"),
    ({**GOOD, "classes": []}, "`classes` should be"),
    ({**GOOD, "classes": ["a" * 401]}, "`classes` should be"),
    ({**GOOD, "classes": {"a": 1}}, "`classes` should be"),
    ({**GOOD, "image_size": 10**9}, "`image_size` should be a number of pixels from 1 to 1024, not 1000000000"),
    ({**GOOD, "image_size": -32}, "`image_size` should be"),
    ({**GOOD, "image_size": "32"}, "`image_size` should be"),
    ({**GOOD, "image_size": True}, "`image_size` should be"),
    ({**GOOD, "image_size": 32.5}, "`image_size` should be"),
    ({**GOOD, "mean": [0.5]}, r"`mean` should be three numbers, of images from 0 to 1, not \[0.5\]"),
    ({**GOOD, "mean": [[0.5]] * 3}, "`mean` should be"),
    ({**GOOD, "std": [0, 1, 1]}, "`std` should be three numbers above 0"),
    ({**GOOD, "std": [10**400, 1, 1]}, "`std` should be"),
    ({"student": []}, "student: the description of a network should be a mapping, not a list"),
    ({"student": {**GOOD, "classes": 3}}, "student: `classes` should be"),
    (json.dumps(GOOD).replace("0.5", "NaN"), "NaN is not a number"),
    ("{", "cannot be read"),
    ("[" * 100_000 + "]" * 100_000, "nested too deep"),
    ('{"classes": ' + "9" * 5000 + "}", "cannot be read"),
    ('"' + "a" * (5 << 20) + '"', "in 5,242,882 characters; at most 4,194,304 are allowed"),
]


@pytest.mark.parametrize("described, message", ODD)
def test_an_odd_description_is_one_sentence_everywhere(described, message, tmp_path, tiny, capsys):
    path = file_of(tmp_path, described)
    for look in (weight_header.description, lambda path: models.load(str(path))):
        with pytest.raises(ValueError, match=message) as caught:
            look(path)
        assert str(path) in str(caught.value)
        assert len(str(caught.value)) < 1000
    with pytest.raises(RecipeError, match=message):
        preflight.check(tiny(student={"weights": str(path)}))
    assert preflight.weight_classes(tiny(student={"weights": str(path)}).student) is None
    assert main(["export", str(path), str(tmp_path / "o.safetensors")]) == 1
    assert re.search(message, capsys.readouterr().err)


RAW = [
    (b"", "it has 0 bytes"),
    (struct.pack("<Q", 2**63) + b"{}", r"its header would have 9,223,372,036,854,775,808 bytes, the file has 10"),
    (struct.pack("<Q", 2) + b"[]", "its header is a list and no mapping of tensors"),
    (struct.pack("<Q", 4) + b"\xff\xfe\xff\xfe", "its header cannot be read"),
    (struct.pack("<Q", 23) + b'{"__metadata__":[1,2]} ', "its __metadata__ does not map names to texts"),
    (struct.pack("<Q", 29) + b'{"__metadata__":{"kdcore":3}}', "its __metadata__ does not map names to texts"),
    (struct.pack("<Q", 200_000) + b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
]


@pytest.mark.parametrize("content, message", RAW)
def test_what_is_no_safetensors_file_is_one_sentence(content, message, tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    for look in (
        weight_header.description,
        weight_header.metadata,
        lambda path: models.load(str(path)),
        checkpoint.load,
    ):
        with pytest.raises(ValueError, match=message) as caught:
            look(path)
        assert str(path) in str(caught.value)


def test_a_large_header_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 1 << 30))
        file.truncate((1 << 30) + 8)
    monkeypatch.setattr(json, "loads", lambda *_: pytest.fail("parsed"))
    monkeypatch.setattr("kdcore.store.run_files.checkpoint.safe_open", lambda *_, **__: pytest.fail("opened"))
    monkeypatch.setattr("kdcore.models.weight_files.safe_open", lambda *_, **__: pytest.fail("opened"))
    for look in (weight_header.description, checkpoint.load, lambda path: models.load(str(path))):
        with pytest.raises(ValueError, match=r"has a header of 1024.0 MiB; at most 16 MiB are allowed"):
            look(path)


@pytest.mark.parametrize(
    "state", ["{", '"__tensor__"', '{"a": {"b": "__tensor__"}}', "[" * 50_000 + "]" * 50_000, "[1]"]
)
def test_a_checkpoint_with_an_odd_state_is_damaged(state, tmp_path):
    path = tmp_path / "c.safetensors"
    save_file({"x": torch.ones(1)}, path, metadata={"state": state})
    with pytest.raises(ValueError, match=f"The checkpoint {path} is damaged"):
        checkpoint.load(path)


def test_a_real_checkpoint_is_far_below_the_largest_header(tmp_path):
    with torch.device("meta"):
        tensors = [*zoo.create("tf_efficientnet_b7", 10, 224).state_dict()]  # 1,200 of them
    three = {
        "student": {"net": {name: torch.zeros(1) for name in tensors}},
        "twin": {"net": {name: torch.zeros(1) for name in tensors}},
        "optimizer": {str(i): {"step": torch.zeros(1), "exp_avg": torch.zeros(1), "exp_avg_sq": torch.zeros(1)} for i in range(2 * len(tensors))},
    }  # fmt: skip
    checkpoint.save(three, tmp_path / "c.safetensors", description={"student": GOOD, "twin": GOOD})
    with (tmp_path / "c.safetensors").open("rb") as file:
        length = int(np.frombuffer(file.read(8), dtype="<u8")[0])
    assert length < weight_header.LARGEST / 4
    assert weight_header.description(tmp_path / "c.safetensors") == {"student": GOOD, "twin": GOOD}


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "w.safetensors")
    pipe = os.open(tmp_path / "w.safetensors", os.O_RDWR)
    try:
        os.write(pipe, bytes(64))  # who reads it need not wait
        with pytest.raises(UserError, match="w.safetensors cannot be read: It is no plain file"):
            weight_header.description(tmp_path / "w.safetensors")
    finally:
        os.close(pipe)
