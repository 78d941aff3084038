import os

import pytest
import torch

from kdcore.store.run_files import checkpoint


def test_a_state_comes_back_as_it_was(tmp_path):
    state = {
        "step": 7,
        "knobs": {"weight/kd": 0.5},
        "student": {
            "net.a.weight": torch.randn(3, 4, 2, 2).contiguous(memory_format=torch.channels_last),
            "net.n": torch.tensor(3),
        },
        "optimizer": {
            "state": {"0": {"step": torch.tensor(2.0)}},
            "param_groups": [{"lr": 0.1, "params": [0], "fused": None}],
        },
    }
    checkpoint.save(state, tmp_path / "a.safetensors", description={"student": {"model": "x"}})
    back = checkpoint.load(tmp_path / "a.safetensors")
    assert back["step"] == 7
    assert back["knobs"] == {"weight/kd": 0.5}
    assert torch.equal(back["student"]["net.a.weight"], state["student"]["net.a.weight"])
    assert back["optimizer"]["param_groups"] == state["optimizer"]["param_groups"]
    assert torch.equal(back["optimizer"]["state"]["0"]["step"], torch.tensor(2.0))


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    checkpoint.save({"step": 1}, path)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save({"step": 2}, path)
    assert checkpoint.load(path)["step"] == 1


def test_damaged_and_foreign_files_are_refused_in_words(tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not a checkpoint at all")
    with pytest.raises(ValueError, match="Cannot read the checkpoint .*older one"):
        checkpoint.load(broken)
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="not a checkpoint of a run"):
        checkpoint.load(tmp_path / "weights.safetensors")
