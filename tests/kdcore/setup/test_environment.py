"""A run's folder says what it was computed with; a resume with something else is a warning."""

import hashlib
import json
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from kdcore.data.split import Split
from kdcore.runtime import versions
from kdcore.setup import environment
from kdcore.store import Store
from kdcore.store.run_files import environment as environments


def split(name, images=6, seed=0):
    pixels = torch.randint(0, 256, (images, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return Split(name, ("a", "b"), pixels, torch.arange(images) % 2)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


@pytest.fixture
def begun(store, tiny, tmp_path):
    file = tmp_path / "teacher.safetensors"
    save_file({"weight": torch.ones(3)}, file)
    recipe = tiny(teacher={"model": "resnet20", "weights": str(file)})
    run_id = store.create(recipe)
    parts = SimpleNamespace(
        recipe=recipe, device=torch.device("cpu"), train=split("train"), validation=None, test=split("test", seed=1),
        student=SimpleNamespace(distiller=SimpleNamespace(student=SimpleNamespace(name="resnet20"))), teacher=None,
    )  # fmt: skip
    return parts, run_id, file


def warnings(parts, store, run_id):
    return [event.text for event in environment.recorded(parts, store, run_id)]


def test_versions_revision_device_and_checksums_are_stored(store, begun):
    parts, run_id, file = begun
    assert warnings(parts, store, run_id) == []
    (entry,) = store.environment(run_id)
    assert entry["versions"]["torch"] == torch.__version__.split("+")[0]
    assert {"python", "kdcore", "torchvision", "timm", "streamlit"} <= entry["versions"].keys()
    assert entry["weights"] == {"teacher": {"file": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}}
    assert [entry["data"][name]["images"] for name in ("train", "test")] == [6, 6]
    assert entry["data"]["train"]["sha256"] != entry["data"]["test"]["sha256"]
    assert (entry["threads"], entry["precision"]) == (torch.get_num_threads(), "exact")
    assert "T" in entry["time"]


def test_a_resume_that_changes_nothing_adds_nothing(store, begun):
    parts, run_id, _ = begun
    for _ in range(3):
        assert warnings(parts, store, run_id) == []
    assert len(store.environment(run_id)) == 1


def test_a_resume_with_other_versions_weights_or_images_says_so(store, begun, monkeypatch):
    parts, run_id, file = begun
    warnings(parts, store, run_id)
    other = {**versions.versions(), "timm": "0.0.1"}
    monkeypatch.setattr(versions, "versions", lambda: other)
    save_file({"weight": torch.zeros(3, 2)}, file)
    parts.train = split("train", seed=5)
    (told,) = warnings(parts, store, run_id)
    assert told.startswith("Resumed in another environment: timm ")
    assert "before, 0.0.1 now" in told
    assert "weights teacher sha256 " in told
    assert "data train sha256 " in told
    assert "data test" not in told
    assert told.endswith("Numbers may differ from here on.")
    assert [entry["versions"]["timm"] for entry in store.environment(run_id)][1:] == ["0.0.1"]


def test_a_commit_is_named_by_its_beginning():
    before, now = ({"code": {"commit": letter * 40}} for letter in "ab")
    assert environments.differences(before, now) == ["code commit aaaaaaaaaaaa… before, bbbbbbbbbbbb… now"]


def test_weights_that_were_moved_are_the_same(store, begun, tmp_path, tiny):
    parts, run_id, file = begun
    warnings(parts, store, run_id)
    moved = file.rename(tmp_path / "moved.safetensors")
    parts.recipe = tiny(teacher={"model": "resnet20", "weights": str(moved)})
    assert warnings(parts, store, run_id) == []


@pytest.mark.parametrize("text", ["", "{", "3", '{"a": 1}', "[" * 100_000, "[1, 2]", "\0"])
def test_a_damaged_file_is_as_none(store, begun, text):
    parts, run_id, _ = begun
    (store.folder(run_id) / environments.NAME).write_text(text)
    assert store.environment(run_id) == []
    assert warnings(parts, store, run_id) == []
    assert len(json.loads((store.folder(run_id) / environments.NAME).read_text())) == 1


def test_a_folder_that_cannot_be_written_is_a_warning(store, begun, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    parts, run_id, _ = begun
    monkeypatch.setattr(environments.atomic, "write_text", full)
    assert warnings(parts, store, run_id) == ["The run's environment could not be stored: No space left on device."]


def test_one_changed_pixel_or_label_is_another_checksum():
    first, pixel, label = split("train"), split("train"), split("train")
    pixel.images[3, 1, 2, 2] ^= 1
    label.targets[2] = 1
    assert len({environment.of_split(each) for each in (first, pixel, label)}) == 3
    assert environment.of_split(first) == environment.of_split(split("train"))


def test_the_revision_is_that_of_the_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "PROJECT", tmp_path)
    assert versions.revision.__wrapped__() == {}
    for command in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x", "--allow-empty"],
    ):
        versions._git(*command)
    found = versions.revision.__wrapped__()
    assert len(found["commit"]) == 40
    assert found["modified"] is False
