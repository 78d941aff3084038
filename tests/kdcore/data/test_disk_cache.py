import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kdcore.data import disk_cache, loading
from kdcore.data.augment import Augmentation
from kdcore.data.batches import batches
from kdcore.data.datasets.base import Images
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.files import budget
from kdcore.recipe import DataRecipe
from kdcore.runtime import memory
from tests import program

N, SIZE = 40, 16


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of noise, no two pictures alike, and a data folder of this test's own."""
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(N):
            noise = random.integers(0, 256, (24, 30, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / "photos" / name / f"{i:02}.png")
    return tmp_path / "photos"


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free", lambda: 30_000)  # twenty images of 16 pixels may have half


def recipe(photos: Path, **settings: object) -> DataRecipe:
    return DataRecipe.model_validate({"name": "folder", "path": str(photos), "image_size": SIZE, **settings})


def kept(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "data" / "decoded").glob("*/pixels.uint8")
    return found


def same(one: Split, other: Split) -> bool:
    return torch.equal(one.images, other.images) and torch.equal(one.targets, other.targets)


def test_pixels_that_fit_stay_in_memory(photos, tmp_path):
    assert not loading.load(recipe(photos), "train").streamed
    assert not (tmp_path / "data" / "decoded").exists()


@pytest.mark.usefixtures("little_memory")
def test_pixels_that_do_not_fit_are_read_from_disk_and_the_message_says_where_how_large_and_how_to_free_it(
    photos, tmp_path
):
    told: list[str] = []
    split = loading.load(recipe(photos), "train", report=told.append)
    assert split.streamed
    assert kept(tmp_path).stat().st_size == len(split) * SIZE * SIZE * 3
    assert "58 train images of 16 pixels take 0.0 GiB" in told[0]
    assert "they are read from disk during training" in told[0]
    assert told[1] == (
        f"The decoded images are cached in {kept(tmp_path).parent} (0.0 GiB) for later runs; delete that folder to free the space."
    )


def test_batches_from_disk_are_those_from_memory_to_the_bit(photos, monkeypatch):
    held = loading.load(recipe(photos), "train")
    monkeypatch.setattr(memory, "free", lambda: 0)
    streamed = loading.load(recipe(photos), "train")
    assert same(streamed, held)
    for start in (0, 3):
        pairs = zip(
            *(
                batches(
                    split, 8, seed=1, epoch=2, augment=Augmentation(("flip", "crop", "jitter", "rotation")), start=start
                )
                for split in (held, streamed)
            ),
            strict=True,
        )
        for one, other in pairs:
            assert torch.equal(one.images, other.images)
            assert torch.equal(one.indices, other.indices)
            assert torch.equal(one.targets, other.targets)


@pytest.mark.usefixtures("little_memory")
def test_a_later_run_decodes_nothing(photos, monkeypatch):
    first = loading.load(recipe(photos), "train")
    monkeypatch.setattr("kdcore.data.folders.checking.decoded", lambda file, size: pytest.fail("decoded again"))
    told: list[str] = []
    assert same(loading.load(recipe(photos), "train", report=told.append), first)
    assert "cached by an earlier run; delete that folder to free" in told[-1]


@pytest.mark.usefixtures("little_memory")
def test_a_replaced_photo_and_another_size_are_decoded_anew(photos, tmp_path):
    loading.load(recipe(photos), "train")
    for file in photos.rglob("*.png"):
        os.utime(file, ns=(0, 0))
    loading.load(recipe(photos), "train")
    loading.load(recipe(photos, image_size=20), "train")
    assert len(list((tmp_path / "data" / "decoded").iterdir())) == 3


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("harm", ["cut", "zeroed", "no note", "half a note", "another note"])
def test_a_damaged_or_half_written_file_is_made_again(photos, tmp_path, harm):
    whole = loading.load(recipe(photos), "train").images.clone()
    pixels = kept(tmp_path)
    note = pixels.with_name("made.json")
    match harm:
        case "cut":
            pixels.write_bytes(pixels.read_bytes()[:-1])
        case "zeroed":
            pixels.write_bytes(bytes(pixels.stat().st_size))
        case "no note":
            note.unlink()
        case "half a note":
            note.write_text(note.read_text()[:20])
        case "another note":
            note.write_text(json.dumps({"count": 3}))
    assert torch.equal(loading.load(recipe(photos), "train").images, whole)
    assert pixels.stat().st_size == whole.numel()


@pytest.mark.usefixtures("little_memory")
def test_unreadable_files_are_left_out_of_it_and_of_what_is_found_again(photos):
    (photos / "cat" / "05.png").write_text("no image")
    told: list[str] = []
    first = loading.load(recipe(photos, validation=0), "train", report=told.append)
    again = loading.load(recipe(photos, validation=0), "train", report=told.append)
    assert len(first) == 63
    assert same(first, again)
    assert sum("Left out 1 of 64 train files" in text for text in told) == 1


@pytest.mark.usefixtures("little_memory")
def test_writing_into_the_pixels_does_not_reach_the_file(photos, tmp_path):
    split = loading.load(recipe(photos), "train")
    before = kept(tmp_path).read_bytes()
    split.images.zero_()
    assert kept(tmp_path).read_bytes() == before


@pytest.mark.usefixtures("little_memory")
def test_a_disk_without_room_is_refused_before_anything_is_decoded(photos, monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 2**30))
    with pytest.raises(
        ValueError,
        match=r"The decoded images take 0.0 GiB, and the disk of .*decoded.* has 1.0 GiB free .*Free some space, set KD_DATA "
        r"to a larger disk, or choose a smaller `data.image_size` or `data.train_images`",
    ):
        loading.load(recipe(photos), "train")
    assert not list((tmp_path / "data" / "decoded").glob("*/pixels.uint8"))


@pytest.mark.usefixtures("little_memory")
def test_on_a_full_disk_what_was_made_for_other_runs_is_named(photos, monkeypatch):
    loading.load(recipe(photos), "train")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 2**29))
    with pytest.raises(ValueError, match=r"delete folders of .*decoded \(0.0 GiB, of other runs"):
        loading.load(recipe(photos, image_size=20), "train")


@pytest.mark.usefixtures("little_memory")
def test_the_least_recently_used_make_space_on_a_full_disk(photos, tmp_path, monkeypatch):
    first = loading.load(recipe(photos), "train")
    taken = kept(tmp_path).stat().st_size
    folder = tmp_path / "data" / "decoded"

    def usage(path):
        used = sum(file.stat().st_size for file in folder.rglob("pixels.uint8"))
        return shutil._ntuple_diskusage(10, 9, disk_cache.SPARE_BYTES + int(1.8 * taken) - used)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    loading.load(recipe(photos, image_size=17), "train")
    assert kept(tmp_path).stat().st_size > taken  # the only one left
    assert first.images.float().mean() > 0  # whoever has mapped it keeps it


@pytest.mark.usefixtures("little_memory")
def test_the_least_recently_used_make_space_within_the_limit(photos, tmp_path, monkeypatch):
    loading.load(recipe(photos), "train")
    loading.load(recipe(photos, image_size=17), "train")
    old, used = sorted((tmp_path / "data" / "decoded").glob("*/pixels.uint8"), key=lambda path: path.stat().st_size)
    os.utime(old.parent, (1, 1))
    os.utime(used.parent, (2, 2))
    monkeypatch.setenv("KD_DECODED_GB", str((used.stat().st_size + 18**2 * 3 * 2 * N + 2000) / 1e9))
    loading.load(recipe(photos, image_size=18), "train")
    assert not old.exists()
    assert used.exists()
    loading.load(recipe(photos), "train")  # decoded again
    assert old.exists()


def cached(name: str, count: int) -> Path:
    """Cache some images of zeros; returns the folder of their entry."""
    images = Images(np.zeros((count, SIZE, SIZE, 3), np.uint8), np.arange(count))
    told: list[str] = []
    disk_cache.mapped(name.encode(), [images], count, SIZE, told.append)
    return Path(told[-1].partition("cached in ")[2].partition(" (")[0])


def free_bytes(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(free + 1, 1, free))


def test_images_that_leave_just_the_spare_space_are_cached_and_a_byte_more_is_refused(photos, monkeypatch):
    enough = disk_cache.SPARE_BYTES + 2 * SIZE * SIZE * 3
    free_bytes(monkeypatch, enough - 1)
    with pytest.raises(UserError, match=r"1\.0 GiB free \(1 GiB of it must stay free\)"):
        cached("two", 2)
    free_bytes(monkeypatch, enough)
    assert (cached("two", 2) / "pixels.uint8").stat().st_size == 2 * SIZE * SIZE * 3


@pytest.mark.parametrize("short", ["limit", "disk"])
def test_an_incomplete_earlier_write_is_overwritten_and_makes_no_other_entry_go(photos, monkeypatch, short):
    other, mine = cached("other", 8), cached("mine", 2)
    (mine / "made.json").unlink()
    pixels = (mine / "pixels.uint8").stat().st_size
    if short == "limit":
        monkeypatch.setenv(disk_cache.LIMIT, str((budget.size(other) + pixels + 1) / 1e9))
    else:
        free_bytes(monkeypatch, disk_cache.SPARE_BYTES)  # what the earlier write takes is all that the new one needs
    assert cached("mine", 2) == mine
    assert (other / "made.json").is_file()


def test_of_two_processes_one_decodes_and_the_other_waits(photos, tmp_path):
    code = f"""
from kdcore.data import loading
from kdcore.data.batches import batches
from kdcore.data.split import Split
from kdcore.runtime import memory
from kdcore.recipe import DataRecipe
memory.free = lambda: 0
split = loading.load(DataRecipe(name="folder", path={str(photos)!r}, image_size=16), "train")
print(int(split.images.sum()))
"""
    first, second = program.ran(code, code)
    assert first == second
    assert first[0] == 0, first[1]
    assert int(first[1]) == int(loading.load(recipe(photos), "train").images.sum())
    assert kept(tmp_path).is_file()


def test_a_part_of_the_classes_can_be_streamed_too(photos, monkeypatch):
    (photos / "elk").mkdir()
    shutil.copy(photos / "cat" / "00.png", photos / "elk")
    shutil.copy(photos / "cat" / "01.png", photos / "elk")
    some = recipe(photos, only=["dog", "cat"])
    held = loading.load(some, "train")
    monkeypatch.setattr(memory, "free", lambda: 0)
    streamed = loading.load(some, "train")
    assert streamed.streamed
    assert same(held, streamed)


def test_a_split_of_which_nothing_can_be_read_has_the_shape_of_images(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    for _ in range(2):  # written, then read
        found = disk_cache.mapped(b"nothing", [], 0, SIZE, lambda text: None)
        assert (found.pixels.shape, found.pixels.dtype) == ((0, SIZE, SIZE, 3), np.uint8)
        assert len(found.kept) == 0
