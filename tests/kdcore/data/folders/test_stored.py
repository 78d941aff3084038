"""Listings on disk: an unchanged folder is not walked again by a later process, a changed one is; damage costs only time."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from kdcore import paths
from kdcore.cli import data as cli_data
from kdcore.data import datasets
from kdcore.data.datasets import folder as folder_dataset
from kdcore.data.folders import contents, listing, stored, walking
from kdcore.data.folders.contents import Names
from kdcore.data.folders.listing import listed
from kdcore.files import budget
from kdcore.recipe import DataRecipe


@pytest.fixture(autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every folder is worth a file, and changed long ago."""
    folder = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("KD_DATA", str(folder))
    monkeypatch.setattr(stored, "LEAST", 1)
    monkeypatch.setattr(contents, "SETTLED_NS", -(10**12))
    return folder


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each time that a folder is walked."""
    walked: list[str] = []
    whole = listing._Reader.listing

    def noted(reader):
        walked.append(reader.shown)
        return whole(reader)

    monkeypatch.setattr(listing._Reader, "listing", noted)
    return walked


def forget() -> None:
    """What a new process knows."""
    stored._cache.clear()


def file(data_folder: Path) -> Path:
    (found,) = (data_folder / "listings").glob("*.npz")
    return found


def plain(found):
    pools = {name: (pool.folder, list(pool.files), pool.targets.tolist()) for name, pool in found.pools.items()}
    return found.root, found.classes, pools, found.left_out, found.questions, found.notes, found.stamps


def test_the_next_process_reads_the_listing_and_finds_the_same(tmp_path, fill, walks):
    fill("train/cat", "train/Zoë", "test/cat", "test/Zoë", "train/cat/deep")
    (tmp_path / "train" / "cat" / "notes.txt").write_text("a cat")
    (tmp_path / "train" / "cat" / os.fsdecode(b"\xff.png")).write_bytes(b"x")
    first = listed(tmp_path)
    forget()
    again = listed(tmp_path)
    assert again is not first
    assert plain(again) == plain(first)
    assert len(walks) == 1


@pytest.mark.parametrize("change", ["added", "removed", "renamed", "a class more"])
def test_a_changed_folder_is_walked_again(tmp_path, fill, walks, change):
    fill("cat", "dog")
    before = listed(tmp_path)
    match change:
        case "added":
            fill("cat", name="new{}.png", n=1)
        case "removed":
            (tmp_path / "cat" / "00.png").unlink()
        case "renamed":
            (tmp_path / "cat" / "00.png").rename(tmp_path / "cat" / "99.png")
        case "a class more":
            fill("elk")
    forget()
    after = listed(tmp_path)
    assert len(walks) == 2
    assert plain(after) != plain(before)
    forget()
    assert plain(listed(tmp_path)) == plain(after)
    assert len(walks) == 2


@pytest.mark.parametrize("harm", ["empty", "cut", "a bit", "text", "other arrays", "labels of no class", "a folder"])
def test_a_damaged_listing_is_made_again(tmp_path, fill, walks, data_folder, harm):
    fill("cat", "dog")
    whole = listed(tmp_path)
    path = file(data_folder)
    raw = bytearray(path.read_bytes())
    match harm:
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(raw[: len(raw) // 2])
        case "a bit":
            raw[raw.index(b"dog/00.png")] ^= 1
            path.write_bytes(raw)
        case "text":
            path.write_text("no listing")
        case "other arrays":
            np.savez(path, words=np.zeros(3))
        case "labels of no class":
            with np.load(path) as found:
                arrays = dict(found)
            np.savez(path, **arrays | {"train.targets": arrays["train.targets"] + 7})
        case "a folder":
            path.unlink()
            path.mkdir()
    forget()
    assert plain(listed(tmp_path)) == plain(whole)
    assert len(walks) == 2


def test_a_small_folder_and_one_that_just_changed_have_no_file(tmp_path, fill, data_folder, monkeypatch):
    fill("cat", "dog")
    monkeypatch.setattr(stored, "LEAST", 13)
    listed(tmp_path)
    forget()
    monkeypatch.setattr(stored, "LEAST", 1)
    monkeypatch.setattr(contents, "SETTLED_NS", 10**12)
    listed(tmp_path)
    assert not (data_folder / "listings").exists()


def test_a_data_folder_that_cannot_be_written_costs_only_time(tmp_path, fill, data_folder, walks):
    fill("cat", "dog")
    (data_folder / "listings").write_text("in the way")
    listed(tmp_path)
    forget()
    assert listed(tmp_path).classes == ("cat", "dog")
    assert len(walks) == 2


def test_the_least_recently_used_go(tmp_path, fill, data_folder, monkeypatch):
    fill("one/cat", "one/dog", "two/cat", "two/dog")
    listed(tmp_path / "one")
    monkeypatch.setenv(stored.LIMIT, str(budget.size(file(data_folder)) / 1e9))
    listed(tmp_path / "two")
    forget()
    assert len(list((data_folder / "listings").glob("*.npz"))) == 1
    assert listed(tmp_path / "one").classes == ("cat", "dog")


def test_a_server_that_may_read_less_does_not_use_what_others_listed(tmp_path, fill, walks, monkeypatch):
    """Whether a link out of the allowed folders is followed is part of the key."""
    fill("open/cat", "open/dog", "closed")
    (tmp_path / "open" / "cat" / "linked.png").symlink_to(tmp_path / "closed" / "00.png")
    assert len(listed(tmp_path / "open")) == 13
    monkeypatch.setenv(paths.ALLOW, str(tmp_path / "open"))
    monkeypatch.setattr(paths, "_restricted", lambda: True)
    forget()
    assert len(listed(tmp_path / "open")) == 12
    assert len(walks) == 2


def test_names_are_those_that_were_given():
    texts = ["cat/1.png", "cat/11.png", "ü/\udcff.png", "dog/a b.png", "1.png"]
    names = Names.of(texts)
    assert list(names) == texts
    assert [names[place] for place in (0, 3, -1)] == ["cat/1.png", "dog/a b.png", "1.png"]
    assert names.places(["1.png", "cat/11.png", "nobody", "cat/1.png", "png"]) == [4, 1, 0]
    assert list(Names.joined([names, Names.of([]), Names.of(["z"])])) == [*texts, "z"]
    assert len(Names.joined([])) == 0
    with pytest.raises(IndexError):
        names[5]


@pytest.mark.parametrize(
    "edit",
    [
        {"classes": [1, 2]}, {"classes": [["cat"], "dog"]}, {"left_out": [[1, 2, [3]]]}, {"left_out": [["x", "many", []]]}, {"stamps": {}},
        {"stamps": []}, {"stamps": {"x": ["a", 1]}}, {"listed_ns": "now"}, {"questions": 5}, {"notes": [1]}, {"pools": {}},
        {"pools": {"train": ["../../elsewhere", []]}}, {"pools": {"train": ["/etc", []]}}, {"pools": {"others": ["", []]}},
    ],
)  # fmt: skip
def test_a_listing_that_was_edited_by_hand_is_made_again(tmp_path, fill, walks, data_folder, edit):
    fill("train/cat", "train/dog")
    first = plain(listed(tmp_path))
    kept = file(data_folder)
    with np.load(kept) as arrays:
        found = dict(arrays)
    words = json.loads(found["words"].tobytes()) | edit
    found["words"] = np.frombuffer(json.dumps(words).encode(), np.uint8)
    np.savez(kept, **found)
    forget()
    assert plain(listed(tmp_path)) == first
    assert len(walks) == 2


@pytest.mark.parametrize(
    "harm", [{"of the list": 6, "to": 128}, {"of the list": 8, "to": 0x41}, {"of the list": 8, "to": 1}]
)
def test_a_listing_whose_zip_needs_another_program_is_made_again(tmp_path, fill, walks, data_folder, harm):
    """A version, strong encryption or a password, by damage of a byte: what the library raises is of other kinds."""
    fill("train/cat", "train/dog")
    listed(tmp_path)
    content = bytearray(file(data_folder).read_bytes())
    content[content.find(b"PK\1\2") + harm["of the list"]] = harm["to"]
    file(data_folder).write_bytes(content)
    forget()
    assert listed(tmp_path).classes == ("cat", "dog")
    assert len(walks) == 2


def identity(folder: Path) -> bytes:
    dataset = datasets.of(DataRecipe(name="folder", path=str(folder), image_size=32))
    return dataset.identity("train", np.arange(len(dataset.targets("train"))))


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose status was asked for by name, as the listing and the identity do."""
    found: list[str] = []

    def noted(path):
        found.append(os.path.basename(path))
        return walking.stamp(path)

    monkeypatch.setattr(listing, "stamp", noted)
    monkeypatch.setattr(folder_dataset, "stamp", noted)
    return found


def test_a_second_start_looks_at_no_file_of_a_large_folder_and_identifies_the_same_images(
    tmp_path, fill, looked_at, monkeypatch
):
    fill("train/cat", "train/dog", "test/cat", "test/dog")
    large = identity(tmp_path)
    assert looked_at
    looked_at.clear()
    forget()
    assert identity(tmp_path) == large
    assert looked_at == []
    monkeypatch.setattr(stored, "LEAST", 1000)  # a small folder, as are those whose pixels were decoded before
    assert identity(tmp_path) == large
    assert looked_at


def test_a_file_replaced_in_place_shows_once_the_folder_is_listed_anew(tmp_path, fill, monkeypatch):
    fill("train/cat", "train/dog", "test/cat", "test/dog")
    before = identity(tmp_path)
    image = next((tmp_path / "train" / "cat").glob("*.png"))
    with image.open("ab") as file:  # no folder changes
        file.write(b"more")
    assert identity(tmp_path) == before
    cli_data.forget("folder", tmp_path)
    assert identity(tmp_path) != before


def test_a_file_replaced_in_place_in_a_small_folder_shows_at_once(tmp_path, fill, monkeypatch):
    monkeypatch.setattr(stored, "LEAST", 1000)
    fill("train/cat", "train/dog", "test/cat", "test/dog")
    before = identity(tmp_path)
    image = next((tmp_path / "train" / "cat").glob("*.png"))
    with image.open("ab") as file:
        file.write(b"more")
    assert identity(tmp_path) != before
