"""`import-weights` and `export` on the command line: one sentence where something is wrong, whole files or none."""

import json
import os

import pytest
import torch

from kdcore import models
from kdcore.cli.main import main
from kdcore.errors import UserError
from kdcore.export.networks import card
from kdcore.models import zoo
from kdcore.recipe import ModelRecipe

NET = "three_stage_cnn_16"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))


def refused(capsys, *words: str) -> str:
    """The one sentence on stderr of a command that is refused with exit status 1."""
    assert main(list(words)) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert "Traceback" not in told
    assert len(told.strip().splitlines()) == 1
    return told


def saved(classes=10, **wrapped):
    state = zoo.create(NET, classes, 32).state_dict()
    torch.save({f"_orig_mod.{name}": tensor for name, tensor in state.items()}, "w.pth")
    return state


def test_a_compiled_network_is_imported_and_the_change_is_printed(capsys):
    state = saved()
    command = [
        "import-weights",
        "w.pth",
        "--model",
        NET,
        "--data",
        "cues",
        "--image-size",
        "32",
        "--out",
        "o.safetensors",
    ]
    assert main(command) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"The prefix '_orig_mod.' was removed from {len(state)} names."
    assert out[1] == f"written: o.safetensors ({NET}, 10 classes, 32 px)"
    torch.testing.assert_close(dict(models.load("o.safetensors").net.state_dict()), dict(state))


def test_classes_come_from_a_file_or_a_folder(tmp_path, capsys):
    saved(2)
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    common = ["import-weights", "w.pth", "--model", NET, "--image-size", "32", "--out", "o.safetensors"]
    assert main([*common, "--classes", "names.txt"]) == 0
    assert models.load("o.safetensors").classes == ("cat", "dog")
    for name in ("owl", "wolf"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        from PIL import Image

        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / name / "1.png")
    assert main([*common, "--path", "photos"]) == 0
    assert models.load("o.safetensors").classes == ("owl", "wolf")
    capsys.readouterr()
    assert "not both" in refused(capsys, *common, "--path", "photos", "--classes", "names.txt")
    assert "There is no file nowhere.txt" in refused(capsys, *common, "--classes", "nowhere.txt")
    assert "name the 2 classes of its classifier" in refused(capsys, *common)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("pointer.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        ("empty.safetensors", b"", "is empty (0 bytes)"),
        ("empty.pth", b"", "is empty (0 bytes)"),
        ("missing.safetensors", None, "There is no file missing.safetensors"),
    ],
)
def test_what_is_no_weights_is_one_sentence(name, content, words, tmp_path, capsys):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    told = refused(capsys, "import-weights", name, "--model", NET, "--data", "cues", "--out", "o.safetensors")
    assert words in told
    assert not (tmp_path / "o.safetensors").exists()


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("nowhere/o.safetensors", "There is no folder nowhere"),
        ("folder.safetensors", "is a folder. Give the path of a file."),
        ("pipe.safetensors", "is no plain file"),
        ("/proc/o.safetensors", "cannot be written"),
        ("o.pth", "should end in .safetensors, such as o.safetensors"),
    ],
)
def test_a_file_that_cannot_be_written_is_one_sentence(out, words, tmp_path, capsys):
    saved()
    (tmp_path / "folder.safetensors").mkdir()
    os.mkfifo(tmp_path / "pipe.safetensors")
    told = refused(
        capsys, "import-weights", "w.pth", "--model", NET, "--data", "cues", "--image-size", "32", "--out", out
    )
    assert words in told


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--image-size", "0"], "image_size should be a number of pixels from 1 to 1024, not 0"),
        (["--image-size", "100000"], "image_size should be"),
        (["--std", "0", "1", "1"], "std should be three numbers above 0, of images from 0 to 1, not [0.0, 1.0, 1.0]"),
        (["--mean", "nan", "0", "0"], "mean should be three numbers, of images from 0 to 1, not [nan, 0.0, 0.0]"),
    ],
)
def test_settings_that_no_weight_file_may_have_are_refused(option, words, tmp_path, capsys):
    saved()
    assert words in refused(
        capsys, "import-weights", "w.pth", "--model", NET, "--data", "cues", "--out", "o.safetensors", *option
    )
    assert not (tmp_path / "o.safetensors").exists()


@pytest.mark.parametrize("command", [["evaluate"], ["explain", "photo.png", "--model"], ["export"]])
def test_every_command_that_reads_a_network_names_the_import(command, tmp_path, capsys):
    saved()
    (tmp_path / "hub").mkdir()
    from PIL import Image

    Image.new("RGB", (8, 8)).save("photo.png")
    more = ["o.safetensors"] if command == ["export"] else []
    told = refused(capsys, *command, "w.pth", *more)
    assert "python -m kdcore import-weights w.pth --model NAME --out w.safetensors" in told
    told = refused(capsys, *command, "hub", *more)
    assert (
        "hub is a folder. Convert its weights once: python -m kdcore import-weights hub --out hub.safetensors" in told
    )


def test_an_export_needs_no_dataset(tmp_path, capsys):
    torch.manual_seed(0)
    network = models.build(ModelRecipe(model=NET), ("owl", "wolf"), 32)
    models.save(network, tmp_path / "mine.safetensors")
    assert main(["export", "mine.safetensors", "out.safetensors"]) == 0
    assert "accuracy was not measured: no built-in dataset has these classes" in " ".join(
        capsys.readouterr().out.split()
    )
    card = json.loads((tmp_path / "out.json").read_text())
    assert card["classes"] == ["owl", "wolf"]
    assert "accuracy" not in card
    torch.testing.assert_close(dict(models.load("out.safetensors").net.state_dict()), dict(network.net.state_dict()))


def test_an_export_that_fails_leaves_the_files_of_before(tmp_path, capsys, monkeypatch):
    (tmp_path / "out.safetensors").write_bytes(b"old")
    (tmp_path / "out.json").write_text("old")

    def fails(*_):
        raise UserError("the disk is gone")

    monkeypatch.setattr(card, "measured", fails)
    assert "the disk is gone" in refused(capsys, "export", "cues-twin", "out.safetensors")
    assert (tmp_path / "out.safetensors").read_bytes() == b"old"
    assert (tmp_path / "out.json").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "runs") == ["out.json", "out.safetensors"]


def test_a_network_that_is_not_all_numbers_is_not_exported(tmp_path, capsys):
    network = models.build(ModelRecipe(model=NET), ("owl", "wolf"), 32)
    with torch.no_grad():
        next(network.net.parameters()).fill_(float("nan"))
    models.save(network, tmp_path / "nan.safetensors")
    told = refused(capsys, "export", "nan.safetensors", "out.safetensors")
    assert "nan.safetensors are not all numbers: " in told
    assert not (tmp_path / "out.safetensors").exists()


def test_an_exported_file_has_ordinary_permissions(tmp_path):
    before = os.umask(0o022)
    try:
        models.save(models.build(ModelRecipe(model=NET), ("cat", "dog"), 32), tmp_path / "mine.safetensors")
        assert main(["export", "mine.safetensors", "out.safetensors"]) == 0
    finally:
        os.umask(before)
    assert {name: (tmp_path / name).stat().st_mode & 0o777 for name in ("out.safetensors", "out.json")} == {
        "out.safetensors": 0o644,
        "out.json": 0o644,
    }
