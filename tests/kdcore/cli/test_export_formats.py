"""`export --format` and `deploy` on the command line: what cannot be written is refused before a network is loaded."""

import json

import pytest

from kdcore import models
from kdcore.cli.main import main


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["s.bin", "--format", "onnx"], "s.bin should end in .onnx, such as s.onnx"),
        (["s.safetensors", "--format", "int8"], "s.safetensors should end in .onnx, such as s.onnx"),
        (["s.onnx", "--fp16"], "--fp16 is for .safetensors. For a smaller ONNX file use --format int8."),
        (["full", "--format", "hub"], "The folder full is not empty. Give another name, or remove it."),
        (["file", "--format", "hub"], "file is a file; a folder in the hub's layout was to be written there."),
        (
            ["no/where", "--format", "hub"],
            "There is no folder no to write where to. Create it, or choose another path.",
        ),
    ],
)
def test_a_place_that_does_not_fit_is_refused_before_any_work(words, told, tmp_path, capsys, monkeypatch):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(models, "load", lambda *_, **__: pytest.fail("a network was loaded"))
    assert main(["export", "cues-student", *words]) == 1
    assert capsys.readouterr().err.startswith(f"error: {told}")


def test_the_ending_chooses_the_format(tmp_path, capsys):
    network = models.load("cues-student")
    network.classes = tuple(f"class {place}" for place in range(10))  # of no dataset here, so nothing is measured
    models.save(network, tmp_path / "mine.safetensors")
    assert main(["export", "mine.safetensors", "mine.onnx"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "largest difference of a logit to PyTorch" in said[0]
    assert said[1].startswith("Its accuracy was not measured: no built-in dataset has these classes")
    assert json.loads((tmp_path / "mine.json").read_text())["classes"][9] == "class 9"
    assert main(["export", "mine.safetensors", "small.onnx", "--format", "int8"]) == 1
    assert "Name it: --data NAME, or --path FOLDER." in capsys.readouterr().err
    assert not (tmp_path / "small.onnx").exists()


def test_the_table_of_no_run_is_refused(capsys):
    assert main(["deploy", "20260101-000000-none-0000"]) == 1
    assert "There is no run" in capsys.readouterr().err
