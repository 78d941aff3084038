"""Tar shards as datasets: what the standard library's tarfile writes is read image by image, as a folder of the same images is."""

import tarfile

import numpy as np
import pytest

from kdcore.checks import preflight
from kdcore.cli.main import main
from kdcore.data import datasets, loading, selection
from kdcore.data.folders import contents, stored
from kdcore.data.folders.checking import decoded
from kdcore.data.folders.report import WHOLE, report
from kdcore.data.shards import files, index
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe
from kdcore.setup.build import folder_notes
from tests.kdcore.data.shards.conftest import add, encoded


def shards(tmp_path, **settings):
    return DataRecipe(name="shards", path=str(tmp_path / "shards"), image_size=8, **settings)


def test_the_pixels_are_those_of_the_same_image_in_a_file_of_its_own(tmp_path, write):
    path = write("train-000000.tar", ("dog", "cat"))
    with tarfile.open(path) as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    source = datasets.of(shards(tmp_path))
    seen = set()
    for pool in source.pools:
        places = np.arange(len(source.targets(pool)))
        images = source.read(pool, places, 8)
        for name, pixels, target in zip(source.files(pool, places), images.pixels, source.targets(pool), strict=True):
            file = tmp_path / "unpacked" / name.removeprefix("train-000000.tar/")
            np.testing.assert_array_equal(pixels, decoded(file, 8))
            assert file.with_suffix(".cls").read_text() == source.classes[target]
            seen.add(file)
    assert seen == set((tmp_path / "unpacked").glob("*.png"))


def test_of_two_words_in_a_name_the_last_one_is_the_split(tmp_path):
    for name in ("test-data-train-0.tar", "train-data-test-0.tar"):
        (tmp_path / name).touch()
    assert files.shards(str(tmp_path)) == {"test-data-train-0.tar": "train", "train-data-test-0.tar": "test"}


def test_splits_follow_from_names_of_shards_or_folders(tmp_path, write):
    write("train-000000.tar")
    write("train-000001.tar", n=2)
    write("imagenet-val-000000.tar", n=3)
    write("test/00000.tar", n=4)
    assert selection.counts(shards(tmp_path)) == {"train": 14, "validation": 6, "test": 8}
    assert preflight.data_classes(shards(tmp_path)) == 2


def test_without_names_of_splits_a_fifth_is_held_out(tmp_path, write):
    write("000000.tar", n=10)
    write("000001.tar", n=10)
    assert selection.counts(shards(tmp_path)) == {"train": 28, "validation": 4, "test": 8}


@pytest.mark.parametrize("how", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_of_tar_and_long_names(tmp_path, write, how):
    path = write("train-0.tar", format=how)
    with tarfile.open(path, "a", format=how) as tar:
        long = "a" * 90 + "/" + "b" * 90  # in two parts, or in an entry of its own
        add(tar, f"{long}.png", encoded(1))
        add(tar, f"{long}.cls", b"1")
        add(tar, f"{'ü' * 40}.jpg", encoded(2, "JPEG"))
        add(tar, f"{'ü' * 40}.cls", b"0")
        folder = tarfile.TarInfo("folder/")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    found = index.indexed(tmp_path / "shards", lambda text: None)
    assert list(found.pools["train"].files)[-2:] == [f"train-0.tar/{long}.png", f"train-0.tar/{'ü' * 40}.jpg"]
    assert found.left_out == ()
    assert report(shards(tmp_path), WHOLE).left_out == ()


@pytest.mark.parametrize(("labels", "label", "classes"), [
    ((3, 10), "cls", ("3", "10")), (("dog", "Ärzte"), "cls", ("dog", "Ärzte")), ((0, 1), "json", ("0", "1")),
    (("x", "2"), "json", ("2", "x")),
])  # fmt: skip
def test_labels_are_numbers_or_names_in_either_file(tmp_path, write, labels, label, classes):
    write("train-0.tar", labels, label=label)
    assert loading.classes(shards(tmp_path)) == classes
    split = loading.load(shards(tmp_path, validation=0), "train")
    assert split.targets.bincount().tolist() == [4, 4]


def test_a_file_of_names_gives_numbers_their_names(tmp_path, write):
    write("train-0.tar", (2, 0))
    (tmp_path / "shards" / "classes.txt").write_text("cat\ndog\nelk\n")
    assert loading.classes(shards(tmp_path)) == ("cat", "elk")
    (tmp_path / "shards" / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(
        UserError, match="has the label 2, but its file of class names has 2 lines, for labels 0 to 1: complete"
    ):
        loading.classes(shards(tmp_path))


def test_the_report_names_what_is_left_out_as_for_a_folder(tmp_path, write, capsys):
    path = write("train-000000.tar", n=10)
    with tarfile.open(path, "a") as tar:
        add(tar, "alone.png", encoded(1))
        add(tar, "lone.cls", b"1")
        add(tar, "odd.png", encoded(2))
        add(tar, "odd.json", b'{"label": [1]}')
        add(tar, "text.png", b"this is no image")
        add(tar, "text.cls", b"0")
        add(tar, "copy.png", encoded(0))  # of the first one
        add(tar, "copy.cls", b"1")
    write("notes.tar")
    found = report(shards(tmp_path), WHOLE)
    left = {each.reason: each for each in found.left_out}
    assert found.found == 22
    assert left[index.UNLABELLED].examples == ("train-000000.tar/alone.png",)
    assert left[index.NO_IMAGE].examples == ("train-000000.tar/lone.cls",)
    assert left[index.NO_LABEL].examples == ("train-000000.tar/odd.json",)
    assert left[index.OF_NO_SPLIT].examples == ("notes.tar",)
    assert "train-000000.tar/text.png (it is text, not an image" in left["files that cannot be read"].examples[0]
    assert any("lies in several classes, so a label is wrong: " in text for text in found.warnings)
    assert next(note.text for note in folder_notes(shards(tmp_path))).startswith(
        str(tmp_path / "shards") + ": 2 classes, 22 images"
    )
    assert main(["data", str(tmp_path / "shards")]) == 0
    assert "2 classes, 22 images found, 1 of which cannot be read" in capsys.readouterr().out


def test_the_next_process_reads_no_header(tmp_path, write, monkeypatch):
    path = write("train-0.tar")
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(stored, "LEAST", 1)
    monkeypatch.setattr(contents, "SETTLED_NS", -(10**12))
    before = loading.load(shards(tmp_path), "train")
    stored._cache.clear()
    with monkeypatch.context() as patched:
        patched.setattr(index.tar, "entries", lambda file: pytest.fail("read again"))
        assert loading.load(shards(tmp_path), "train").images.equal(before.images)
    stored._cache.clear()
    with tarfile.open(path, "a") as tar:
        add(tar, "more.png", encoded(99))
        add(tar, "more.cls", b"0")
    assert sum(selection.counts(shards(tmp_path)).values()) == 11


def test_a_changed_shard_has_another_identity(tmp_path, write):
    write("train-0.tar")
    places = np.arange(3)
    first = datasets.of(shards(tmp_path)).identity("train", places)
    assert datasets.of(shards(tmp_path)).identity("train", places) == first
    assert datasets.of(shards(tmp_path)).identity("train", places + 1) != first
    (tmp_path / "shards" / "train-0.tar").touch()
    assert datasets.of(shards(tmp_path)).identity("train", places) != first


@pytest.mark.parametrize(("names", "message"), [
    ((), "There is no folder .*It should hold tar files such as train-000000.tar"),
    (("test-0.tar",), "has no shard of training images, only test-0.tar"),
    (("train-0.tar.gz",), r"has no tar file in it.*Left out: compressed shards.*\(1\): train-0.tar.gz"),
])  # fmt: skip
def test_a_folder_that_holds_no_training_shard_is_refused(tmp_path, write, names, message):
    for name in names:
        write(name)
    with pytest.raises(UserError, match=message):
        loading.classes(shards(tmp_path))


def test_classes_that_training_does_not_have_and_a_single_class_are_refused(tmp_path, write):
    write("train-0.tar", (1,))
    with pytest.raises(UserError, match="have a single class, '1'; at least two are needed"):
        loading.classes(shards(tmp_path))
    write("train-1.tar", (0,))
    write("test-0.tar", (0, 4))
    with pytest.raises(UserError, match="The test shards of .* have the class '4', which no training shard has"):
        loading.classes(shards(tmp_path))


def test_a_path_is_needed():
    with pytest.raises(UserError, match="Data 'shards' needs `path`: a folder of tar files such as train-000000.tar."):
        selection.check(DataRecipe(name="shards"))


@pytest.mark.parametrize("inside", ["", "train/"])
def test_class_folders_beside_the_tar_file_that_they_came_from_are_read_as_folders(write, capsys, inside):
    root = write("train-000000.tar", n=10).parent
    (root / "readme.png").write_bytes(encoded(0))
    assert main(["data", str(root)]) == 0
    assert "20 images" in capsys.readouterr().out  # of the shard
    for name in ("cat", "dog", "elk"):
        (root / inside / name).mkdir(parents=True)
        for number in range(5):
            (root / inside / name / f"{number}.png").write_bytes(encoded(number))
    assert main(["data", str(root)]) == 0
    assert "3 classes, 15 images found" in capsys.readouterr().out
