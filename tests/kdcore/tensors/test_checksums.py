"""A changed bit in a weight file or checkpoint is noticed when it is read."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from kdcore import models
from kdcore.errors import UserError
from kdcore.models import weight_files
from kdcore.recipe import ModelRecipe
from kdcore.store.run_files import checkpoint
from kdcore.tensors import checksums

STATE = {"step": 7, "student": {"w": torch.arange(6.0).view(2, 3), "n": torch.tensor(3), "none": torch.zeros(0)}}


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


def test_a_flipped_bit_in_a_checkpoint_is_damage_that_is_named(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.save(STATE, path)
    assert checkpoint.load(path)["step"] == 7
    flip(path, -3)
    with pytest.raises(UserError, match=r"is damaged: student.w differs from the checksum that was written with it"):
        checkpoint.load(path)


def test_a_changed_number_in_a_checkpoint_s_state_is_damage(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.save(STATE, path)
    path.write_bytes(path.read_bytes().replace(rb"\"step\": 7", rb"\"step\": 6"))
    with pytest.raises(UserError, match="is damaged: __state__ differs"):
        checkpoint.load(path)


@pytest.mark.parametrize("dtype", [None, torch.float16, torch.bfloat16])
def test_a_flipped_bit_in_exported_weights_is_damage(dtype, tmp_path):
    path = tmp_path / "m.safetensors"
    network = models.build(ModelRecipe(model="three_stage_cnn_16", options={"widths": [4, 4, 8]}), ("a", "b"), 32)
    models.save(network, path, dtype=dtype)
    models.load(str(path))
    flip(path, -3)
    with pytest.raises(UserError, match="m.safetensors is damaged: .* differs from the checksum"):
        models.load(str(path))


def test_files_without_checksums_load_as_before_and_a_broken_list_is_damage(tmp_path):
    path = tmp_path / "m.safetensors"
    save_file({"a": torch.ones(2)}, path, metadata={"format": "pt"})
    assert weight_files.read(path)["a"].tolist() == [1, 1]
    for broken in ("{", "[]", "3", json.dumps({"b": "0"}), "[" * 5000):
        save_file({"a": torch.ones(2)}, path, metadata={checksums.KEY: broken})
        with pytest.raises(UserError, match="is damaged: "):
            weight_files.read(path)


def test_a_part_of_a_file_is_checked_alone(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.save({"student": {"w": torch.zeros(4)}, "twin": {"w": torch.ones(4)}}, path)
    with safe_open(path, framework="pt") as file:
        assert list(file.keys()) == ["student.w", "twin.w"]
    flip(path, -3)
    assert weight_files.read(path, "student.")["w"].tolist() == [0, 0, 0, 0]
    with pytest.raises(UserError, match="twin.w differs"):
        weight_files.read(path, "twin.")
