"""Weights that an operator gives the app: imported in a process of their own, kept in the data folder, and used by reference."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from kdcore import models, paths
from kdcore.checks import preflight
from kdcore.errors import NotAllowed, UserError
from kdcore.files import budget
from kdcore.models import sources, zoo
from kdcore.models.importing import NotGiven, isolated, kept, process
from kdcore.recipe import ModelRecipe
from kdcore.runtime import apart

TEN = tuple("abcdefghij")
MODEL = "resnet20"


@pytest.fixture(autouse=True)
def _own_data(monkeypatch, tmp_path):
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))


@pytest.fixture
def at_once(monkeypatch):
    """The same import in this process: starting another one takes seconds."""

    def run(command, *, given, **_):
        request = json.loads(given)
        sources = [Path(each) for each in request.pop("sources")]
        return subprocess.CompletedProcess(command, 0, json.dumps(process._reply(sources, request)), "")

    monkeypatch.setattr(apart, "run", run)


def saved(state) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def of_zip_version(version: int) -> bytes:
    content = bytearray(saved({"a": torch.ones(1)}))
    content[content.rfind(b"PK\1\2") + 6] = version  # that is needed to read an entry
    return bytes(content)


def network(classes=10, seed=0):
    torch.manual_seed(seed)
    return zoo.create(MODEL, classes, 32)


def test_an_upload_is_read_in_another_process_and_used_by_its_reference():
    net = network()
    found, imported = kept.add_upload(
        {"my best.pth.tar": saved({"state_dict": net.state_dict()})}, model=MODEL, classes=TEN
    )
    assert (found.reference, found.described["model"], imported.classes) == ("own/my-best.safetensors", MODEL, 10)
    torch.testing.assert_close(dict(models.load(found.reference).net.state_dict()), dict(net.state_dict()))
    built = models.build(ModelRecipe(weights=found.reference), TEN, 32)
    assert (built.name, built.classes) == (MODEL, TEN)


def test_what_the_file_does_not_say_is_asked_for_and_nothing_is_kept(at_once):
    upload = {"w.pth": saved(network().state_dict())}
    with pytest.raises(NotGiven, match="^w.pth does not name the network") as refused:
        kept.add_upload(upload)
    assert refused.value.lacks == "model"
    with pytest.raises(NotGiven, match="^w.pth does not name the 10 classes") as refused:
        kept.add_upload(upload, model=MODEL)
    assert (refused.value.lacks, refused.value.outputs) == ("classes", 10)
    assert kept.listing() == []
    assert list(kept.folder().iterdir()) == []


def test_a_thousand_outputs_are_the_classes_of_imagenet(at_once):
    found, _ = kept.add_upload({"w.pth": saved(network(1000).state_dict())}, model=MODEL)
    assert (len(found.described["classes"]), found.described["classes"][0]) == (1000, "tench")


def test_a_config_beside_the_weights_names_model_and_classes(at_once):
    net = zoo.create("test_resnet", 3, 64)
    config = {
        "architecture": "test_resnet",
        "num_classes": 3,
        "label_names": ["x", "y", "z"],
        "pretrained_cfg": {"input_size": [3, 64, 64]},
    }
    found, _ = kept.add_upload(
        {"pytorch_model.bin": saved(net.state_dict()), "config.json": json.dumps(config).encode()}
    )
    assert found.described["model"] == "test_resnet"
    assert (found.described["classes"], found.described["image_size"]) == (["x", "y", "z"], 64)


def test_uploaded_parts_of_weights_are_described_by_the_config_beside_them(at_once):
    state = network(3).state_dict()
    config = {"architecture": MODEL, "num_classes": 3, "label_names": ["a", "b", "c"]}
    parts = {
        f"model-0000{1 + k}-of-00002.safetensors": save({name: state[name] for name in list(state)[k::2]})
        for k in (0, 1)
    }
    found, _ = kept.add_upload({**parts, "config.json": json.dumps(config).encode()})
    assert found.described["classes"] == ["a", "b", "c"]


def test_a_later_file_updates_an_earlier_one(at_once):
    first, later = network(seed=0).state_dict(), network(seed=1).state_dict()
    part = {"linear.weight": later["linear.weight"]} if "linear.weight" in later else dict(list(later.items())[-2:])
    found, _ = kept.add_upload({"a.pth": saved(first), "b.pth": saved(part)}, model=MODEL, classes=TEN)
    state = models.load(found.reference).net.state_dict()
    for name, tensor in (first | part).items():
        torch.testing.assert_close(state[name], tensor)


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("w.pth", b"", "w.pth is empty"),
        ("w.pth", b"<html>", "w.pth is a web page, not weights: download the file itself"),
        ("w.safetensors", b"\x93NUMPY", "w.safetensors is an array of numpy"),
        ("w.pth", b"\x80\x02cos\nsystem\n(S'true'\ntR.", "it calls os.system when it is opened, so it was not opened"),
        ("w.txt", b"hello", "w.txt is neither a safetensors file nor one of torch.save"),
        ("config.json", b"{}", "There are no weights among the files"),
        ("w.pth", saved({"lr": 0.1}), "w.pth holds no state dict"),
        ("w.pth", b"\x80\x02\x8e" + b"\xff" * 7 + b"\x7f.", "w.pth cannot be read as plain tensors: it is damaged"),
        ("w.pth", of_zip_version(128), "w.pth cannot be read as plain tensors: it is damaged"),
        ("w.pth", saved({"a.weight": torch.empty(3, device="meta")}), "a.weight has a shape and no numbers (device meta)"),
        ("w.pth", saved({"state_dict": {"a": torch.ones(1)}, "args": {"input_size": 7, "mean": 5}}), "The weights w.pth do not fit resnet20"),
    ],
)  # fmt: skip
def test_each_kind_of_bad_file_has_its_sentence(at_once, name, content, words):
    with pytest.raises(UserError) as refused:
        kept.add_upload({name: content}, model=MODEL)
    assert words in str(refused.value)
    assert str(paths.data_folder()) not in str(refused.value)
    assert kept.listing() == []


def test_two_of_one_name_are_two_files_and_one_can_be_removed(at_once):
    for _ in range(2):
        kept.add_upload({"../../x/w.pth": saved(network().state_dict())}, model=MODEL, classes=TEN)
    assert [each.name for each in kept.listing()] == ["w", "w-2"]
    kept.remove("w")
    assert [each.name for each in kept.listing()] == ["w-2"]
    for name in ("w", "../w-2", ""):
        with pytest.raises(UserError, match="There are no imported weights"):
            kept.remove(name)


def test_a_file_of_the_server_outside_the_allowed_folders_is_not_read(monkeypatch, tmp_path):
    (tmp_path / "w.pth").write_bytes(saved(network().state_dict()))
    (tmp_path / "data" / "hub").mkdir(parents=True)
    (tmp_path / "data" / "hub" / "model.safetensors").symlink_to(tmp_path / "w.pth")
    monkeypatch.setattr(paths, "_restricted", lambda: True)
    monkeypatch.setattr(apart, "run", lambda *_, **__: pytest.fail("it was read"))
    for path in (tmp_path / "w.pth", tmp_path / "data" / "hub", "/etc/passwd", "$KD_DATA/../w.pth"):
        with pytest.raises(NotAllowed, match="outside the folders that this server may read"):
            kept.add_file(str(path))


def test_a_file_of_an_allowed_folder_is_imported_and_stays(at_once, tmp_path):
    own = tmp_path / "data"
    own.mkdir()
    (own / "w.pth").write_bytes(saved(network().state_dict()))
    found, _ = kept.add_file("$KD_DATA/w.pth", model=MODEL, classes=TEN)
    assert found.reference == "own/w.safetensors"
    assert (own / "w.pth").is_file()
    with pytest.raises(UserError, match="There is no file or folder"):
        kept.add_file("$KD_DATA/nothing.pth")


def test_an_import_never_fills_the_disk(monkeypatch):
    usage = shutil.disk_usage(os.sep)._replace(free=budget.SPARE + 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="2.0 GB of the disk are free, of which 2 GB stay free: free some space in"):
        kept.add_upload({"w.pth": b"0" * 10}, model=MODEL)
    monkeypatch.undo()
    monkeypatch.setenv("KD_IMPORTED_GB", "0")
    with pytest.raises(
        UserError, match="0 GB are the most. Remove some, or start the server with a larger KD_IMPORTED_GB"
    ):
        kept.add_upload({"w.pth": b"0" * 10}, model=MODEL)


def test_an_import_that_hangs_or_is_killed_is_a_sentence(tmp_path):
    hangs = (sys.executable, "-c", "import time; time.sleep(60)")
    with pytest.raises(
        UserError, match="The import took longer than 0.1 seconds and was stopped. In a terminal: python -m kdcore"
    ):
        isolated.import_weights([tmp_path / "w.pth"], tmp_path / "o", command=hangs, seconds=0.1)
    killed = (sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(UserError, match="The import was stopped before its end, as for lack of memory or time"):
        isolated.import_weights([tmp_path / "w.pth"], tmp_path / "o", command=killed)
    broken = (sys.executable, "-c", "raise KeyError('a bug')")
    with pytest.raises(ChildProcessError, match=r"The import ended with status 1:(.|\n)*KeyError: 'a bug'"):
        isolated.import_weights([tmp_path / "w.pth"], tmp_path / "o", command=broken)


def test_one_import_runs_at_a_time(at_once):
    with kept._one, pytest.raises(UserError, match="Other weights are being imported now. Try again"):
        kept.add_upload({"w.pth": saved(network().state_dict())}, model=MODEL, classes=TEN)


@pytest.mark.parametrize("path", ["~nobody-here/w.pth", "a" * 5000, "a/" * 2500, "x\0y", "a" * 300 + ".safetensors"])
def test_a_path_that_no_file_has_is_refused_in_words(path):
    with pytest.raises(UserError, match="^There is no file or folder ") as refused:
        kept.add_file(path)
    assert len(str(refused.value)) < 300
    with pytest.raises(UserError, match="^There (is|are) no weight"):
        sources.find(path.replace(".pth", ""))


def test_a_bundled_models_name_leads_to_no_other_folder(tmp_path):
    kept_elsewhere = tmp_path / "theirs.safetensors"
    kept_elsewhere.write_bytes(b"x")
    (tmp_path / "theirs.json").write_text('{"classes": ["a"]}')
    for name in (os.path.relpath(tmp_path / "theirs", paths.ASSETS / "models"), str(tmp_path / "theirs")):
        with pytest.raises(UserError, match="^There are no weights "):
            sources.find(name)
        assert preflight.weight_classes(ModelRecipe(weights=name)) is None
    assert preflight.weight_classes(ModelRecipe(weights="cues-teacher")) == 10


@pytest.mark.parametrize(
    "classes, words",
    [
        (("a",) * 10, "classes should be different names: 'a' is there twice"),
        ((*TEN[:9], ""), "classes should be different names: one is empty"),
        (tuple(f"{'x' * 5000}{each}" for each in TEN), "classes should be a list of 1 to 100,000 names of at most 400 characters"),
    ],
)  # fmt: skip
def test_classes_that_no_header_may_have_are_refused(at_once, classes, words):
    with pytest.raises(UserError) as refused:
        kept.add_upload({"w.pth": saved(network().state_dict())}, model=MODEL, classes=classes)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 400
    assert list(kept.folder().iterdir()) == []


@pytest.mark.parametrize("path", ["", "  "])
def test_no_path_is_asked_for(path):
    with pytest.raises(UserError, match="There is no path. Give that of a file with weights"):
        kept.add_file(path)


@pytest.mark.parametrize("folder", [".", "hub/.."])
def test_a_message_on_a_relative_folder_keeps_its_full_stops(at_once, tmp_path, monkeypatch, folder):
    (tmp_path / "hub").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UserError, match=r" is a folder without config\.json\. Give the file with the weights, or a folder"
    ):
        kept.add_file(folder)
