"""Folders as people have them: which files count, for which class and split, and what is left out with which reason."""

import os
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from kdcore.checks import preflight
from kdcore.data import loading, selection
from kdcore.data.folders import contents, walking
from kdcore.data.folders.listing import listed
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe


def counts(found, pool="train"):
    return np.bincount(found.pools[pool].targets, minlength=len(found.classes)).tolist()


def left_out(found):
    return {each.reason: each.count for each in found.left_out}


@pytest.mark.parametrize("hidden", [
    ".ipynb_checkpoints", "deep/.ipynb_checkpoints", "__MACOSX", ".thumbnails", "@eaDir", "thumbs", "__pycache__",
])  # fmt: skip
def test_hidden_checkpoint_and_thumbnail_folders_in_a_class_are_skipped(tmp_path, fill, hidden):
    fill("cat", "dog", f"cat/{hidden}")
    found = listed(tmp_path)
    assert counts(found) == [6, 6]
    (reason,) = found.left_out
    assert (reason.count, reason.examples) == (1, (f"cat/{hidden}/",))
    assert "folders" in reason.reason


def test_hidden_and_system_files_are_skipped(tmp_path, fill):
    fill("cat", "dog")
    for name in ("._00.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / "cat" / name).write_bytes(b"\xff\xd8\xff")
    found = listed(tmp_path)
    assert counts(found) == [6, 6]
    assert left_out(found) == {walking.HIDDEN_FILES: 4}


def test_a_class_may_be_called_thumbs(tmp_path, fill):
    fill("thumbs", "dog")
    assert listed(tmp_path).classes == ("dog", "thumbs")


@pytest.mark.parametrize("names, pools", [
    (("Train", "Test"), "train test"), (("TRAIN", "TEST"), "train test"), (("training", "testing"), "train test"),
    (("trainset", "testset"), "train test"), (("training_set", "test_set"), "train test"),
    (("Training Set", "Validation Set"), "train validation"), (("train", "val"), "train validation"),
    (("train", "valid"), "train validation"), (("train", "dev"), "train validation"),
    (("train-images", "test-images", "val-data"), "train validation test"),
])  # fmt: skip
def test_folders_of_splits_by_many_names(tmp_path, fill, names, pools):
    for name in names:
        fill(f"{name}/cat", f"{name}/dog")
    found = listed(tmp_path)
    assert found.classes == ("cat", "dog")
    assert list(found.pools) == pools.split()
    assert found.questions == ()


def test_photos_of_trains_are_a_class(tmp_path, fill):
    fill("train", "bus", "test")
    assert listed(tmp_path).classes == ("bus", "test", "train")


def test_folders_beside_train_and_test_are_named(tmp_path, fill):
    fill("train/cat", "train/dog", "test/cat", "test/dog", "__MACOSX/cat", "new/cat")
    (tmp_path / "labels.csv").write_text("a,b")
    (tmp_path / "train" / "stray.jpg").write_bytes(b"")
    assert left_out(listed(tmp_path)) == {
        walking.HIDDEN_FOLDERS: 1,
        "folders beside the training images": 1,
        "files outside of the class folders": 1,
        "images outside of the class folders": 1,
    }


def test_a_test_folder_without_classes_is_questioned(tmp_path, fill):
    fill("train/cat", "train/dog", "test")
    (question,) = listed(tmp_path).questions
    assert question.startswith(
        "test/ has no class folders in it, so it is not used; test images are taken from the training"
    )


def test_two_folders_of_one_split_are_refused(tmp_path, fill):
    fill("train/cat", "train/dog", "training/cat", "training/dog")
    with pytest.raises(UserError, match="two folders of train images, 'train' and 'training': keep one of them"):
        listed(tmp_path)


def test_test_and_validation_without_training_images_are_refused(tmp_path, fill):
    fill("test/cat", "test/dog", "val/cat", "val/dog")
    with pytest.raises(UserError, match=r"has val/ and test/, but no folder train/ for the training images"):
        listed(tmp_path)


def test_photos_one_level_deeper_than_classes_are_questioned(tmp_path, fill):
    fill("first/cat", "first/dog", "second/cat", "second/dog")
    found = listed(tmp_path)
    assert found.classes == ("first", "second")
    (question,) = found.questions
    assert (
        "No image lies directly in the class folders (first, second), only in folders inside of them (cat, dog)"
        in question
    )
    assert "choose a folder one level deeper, or name the outer ones train and test" in question


def test_the_folder_that_was_probably_meant_is_named(tmp_path, fill):
    fill("photos/cat", "photos/dog")
    with pytest.raises(UserError, match=f"single class, 'photos'.*did you mean {tmp_path}/photos"):
        listed(tmp_path)


def test_unicode_forms_of_a_name_are_one_class(tmp_path, fill):
    composed, apart = (unicodedata.normalize(form, "Gemüse") for form in ("NFC", "NFD"))
    fill(f"train/{composed}", "train/Obst", f"test/{apart}", "test/Obst", n=4)
    found = listed(tmp_path)
    assert found.classes == (composed, "Obst")
    assert counts(found, "test") == [4, 4]
    assert found.notes == (
        "Folders named 'Gemüse' whose names differ in control characters, Unicode form or encoding only are one class.",
    )
    assert loading.classes(DataRecipe(name="folder", path=str(tmp_path), only=("Obst", apart))) == ("Obst", composed)


def test_a_name_that_is_not_utf8_is_read_as_latin1(tmp_path, fill):
    fill("Obst", "x")
    os.rename(tmp_path / "x", os.fsencode(tmp_path) + b"/Gem\xfcse")
    found = listed(tmp_path)
    assert found.classes == ("Gemüse", "Obst")
    split = loading.load(DataRecipe(name="folder", path=str(tmp_path), image_size=8), "test")
    assert split.classes[0].encode() == b"Gem\xc3\xbcse"
    assert len(split) == 2


def test_names_that_differ_in_capitals_only_are_questioned(tmp_path, fill):
    fill("Cat", "cat", "dog")
    assert listed(tmp_path).questions == (
        "'Cat' and 'cat' are two classes: their names differ in capitals, spaces or invisible characters only.",
    )


def test_names_that_look_the_same_are_questioned(tmp_path, fill):
    fill("red fox", "red\u200bfox", "dog")
    (question,) = listed(tmp_path).questions
    assert question.endswith("are two classes: their names differ in capitals, spaces or invisible characters only.")


def test_a_class_name_acts_on_no_terminal(tmp_path, fill):
    fill("a\nb", "\u202egod", "\x1b[31mcat")
    assert listed(tmp_path).classes == (" [31mcat", " god", "a b")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("train.parquet", "Tables such as 'train.parquet' are not read: sort the images into a folder for each class"),
        ("labels.csv", "Tables such as 'labels.csv' are not read"),
        (
            "train.npz",
            "Files of arrays such as 'train.npz' are not read: save the images as PNG, in a folder for each class.",
        ),
        ("images.idx3-ubyte", "Files of arrays such as 'images.idx3-ubyte' are not read"),
        ("train.tar.gz", "Packed files such as 'train.tar.gz' are not read: unpack them first."),
        ("photos.zip", "Packed files such as 'photos.zip' are not read: unpack them first."),
    ],
)
@pytest.mark.parametrize("folders", [(), ("images",)])
def test_images_that_lie_in_other_files_are_named_with_what_to_do(tmp_path, fill, file, words, folders):
    fill(*folders)
    (tmp_path / file).write_bytes(b"PAR1")
    with pytest.raises(UserError, match=re.escape(words)):
        listed(tmp_path)


def test_a_table_in_the_place_of_a_folder_is_not_sent_to_its_folder(tmp_path):
    (tmp_path / "birds.csv").write_text("file,label\n")
    with pytest.raises(UserError, match="Tables such as 'birds.csv' are not read: sort the images") as raised:
        selection.check(DataRecipe(name="folder", path=str(tmp_path / "birds.csv")))
    assert "Give the folder that it is in" not in str(raised.value)


def test_a_file_of_arrays_in_the_place_of_a_folder_is_not_sent_to_its_folder(tmp_path):
    (tmp_path / "birds.h5").write_bytes(b"")
    with pytest.raises(
        UserError, match="Files of arrays such as 'birds.h5' are not read: save the images as PNG"
    ) as raised:
        selection.check(DataRecipe(name="folder", path=str(tmp_path / "birds.h5")))
    assert "Give the folder that it is in" not in str(raised.value)


def test_a_test_class_in_other_capitals_gets_a_hint(tmp_path, fill):
    fill("train/cat", "train/dog", "test/Cat")
    with pytest.raises(UserError, match="has the class 'Cat', which .*train does not. Did you mean 'cat'?"):
        listed(tmp_path)


def test_linked_folders_and_files_are_followed_once(tmp_path, fill):
    fill("pets/cat", "pets/dog", "more", n=4)
    fill("pets/cat/inner", n=2)
    (tmp_path / "pets" / "cat" / "a-link").symlink_to(tmp_path / "more")
    (tmp_path / "pets" / "cat" / "again").symlink_to(tmp_path / "more")
    (tmp_path / "pets" / "cat" / "loop").symlink_to(tmp_path / "pets" / "cat")
    (tmp_path / "pets" / "dog" / "file.png").symlink_to(tmp_path / "more" / "00.png")
    (tmp_path / "pets" / "dog" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    found = listed(tmp_path / "pets")
    assert counts(found) == [4 + 2 + 4, 4 + 1]
    assert found.notes == ("1 linked folder is followed: cat/a-link.",)
    assert left_out(found) == {walking.REPEATED: 2, walking.BROKEN: 1}


def test_a_link_to_itself_costs_no_other_image(tmp_path, fill):
    fill("cat", "dog")
    (tmp_path / "cat" / "round").symlink_to("round")
    (tmp_path / "round.png").symlink_to("round.png")
    found = listed(tmp_path)
    assert counts(found) == [6, 6]
    assert left_out(found) == {walking.BROKEN: 2}


def test_a_link_to_a_folder_that_it_is_in_is_no_class(tmp_path, fill):
    fill("cat", "dog")
    (tmp_path / "all").symlink_to(tmp_path)
    (tmp_path / "above").symlink_to(tmp_path.parent)
    (tmp_path / "cat" / "up").symlink_to("..")
    found = listed(tmp_path)
    assert counts(found) == [6, 6]
    assert found.classes == ("cat", "dog")
    assert left_out(found) == {walking.REPEATED: 3}


def test_raw_files_of_cameras_are_not_to_be_renamed(tmp_path, fill):
    fill("cat", "dog")
    (tmp_path / "cat" / "IMG_1.CR2").write_bytes(b"II*\0\x10\0\0\0CR\2\0")
    assert [str(each) for each in listed(tmp_path).left_out] == ["files with the ending .cr2 (1): cat/IMG_1.CR2"]


def test_a_pipe_is_no_image(tmp_path, fill):
    fill("cat", "dog")
    os.mkfifo(tmp_path / "cat" / "x.png")
    assert left_out(listed(tmp_path)) == {walking.ODD: 1}


def test_other_endings_are_read_or_counted(tmp_path, fill):
    fill("cat", "dog")
    fill("cat", n=3, name="x{}.jfif", form="JPEG")
    fill("cat", n=2, name="a{}.avif", form="AVIF")
    fill("cat", n=2, name="plain{}", form="WEBP")  # no ending: by content
    fill("dog", n=2, name="{}.jpg_large", form="JPEG")
    (tmp_path / "dog" / "notes.txt").write_text("a dog")
    (tmp_path / "dog" / "README").write_text("dogs")
    found = listed(tmp_path)
    assert counts(found) == [6 + 3 + 2 + 2, 6]
    assert [str(each) for each in found.left_out] == [
        "files with the ending .jpg_large (their content looks like JPEG: rename them to use them) (2): dog/0.jpg_large, dog/1.jpg_large",
        "files with the ending .txt (1): dog/notes.txt",
        f"{walking.NOT_IMAGES} (1): dog/README",
    ]  # fmt: skip


def test_heic_without_its_package_is_left_out_by_name(tmp_path, fill, monkeypatch):
    monkeypatch.setattr("kdcore.photos.reads_heic", lambda: False)
    monkeypatch.setattr(walking.photos, "reads_heic", lambda: False)
    fill("cat", "dog")
    (tmp_path / "cat" / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    assert left_out(listed(tmp_path)) == {walking.HEIC: 1}
    assert "pip install pillow-heif" in walking.HEIC


def test_an_empty_class_says_what_was_left_out(tmp_path, fill):
    fill("dog")
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "one.psd").write_text("8BPS")
    with pytest.raises(
        UserError, match=r"class 'cat' has no images.*Left out: files with the ending .psd \(1\): cat/one.psd"
    ):
        selection.check(DataRecipe(name="folder", path=str(tmp_path)))


def test_preflight_counts_the_classes_that_are_read(tmp_path, fill):
    """`__MACOSX` beside classes, and `Train/` and `Test/`, are no classes."""
    fill("Train/cat", "Train/dog", "Train/elk", "Test/cat", "Test/dog", "Test/elk", "__MACOSX/cat", n=2)
    data = DataRecipe(name="folder", path=str(tmp_path))
    assert preflight.data_classes(data) == len(loading.classes(data)) == 3


def test_a_new_file_is_seen_at_once(tmp_path, fill):
    fill("cat", "dog")
    assert counts(listed(tmp_path)) == [6, 6]
    fill("cat", name="new{}.png", n=1)
    assert counts(listed(tmp_path)) == [7, 6]


def test_an_unchanged_folder_is_not_listed_again(tmp_path, fill, monkeypatch):
    fill("cat", "dog")
    monkeypatch.setattr(contents, "SETTLED_NS", -(10**12))  # as if it had changed long ago
    first = listed(tmp_path)
    assert listed(tmp_path) is first
    fill("dog/deep", n=1)
    assert counts(listed(tmp_path)) == [6, 7]


def test_too_many_files_are_refused(tmp_path, fill, monkeypatch):
    monkeypatch.setattr(walking, "MOST_ENTRIES", 10)
    fill("cat", "dog")
    with pytest.raises(UserError, match="holds more than 10 files and folders. Choose the folder that holds the class"):
        listed(tmp_path)


def test_a_class_of_whose_name_nothing_is_seen_is_questioned(tmp_path, fill):
    fill("\u200b", "dog")
    assert listed(tmp_path).questions == (
        "'\\u200b' is a class, but nothing is seen of its name: give it another one.",
    )


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="this system has no devices as files")
def test_a_link_to_a_device_is_not_one_to_nothing(tmp_path, fill):
    fill("cat", "dog")
    (tmp_path / "cat" / "a.png").symlink_to("/dev/zero")
    (tmp_path / "cat" / "b.png").symlink_to("nowhere")
    assert left_out(listed(tmp_path)) == {walking.ODD: 1, walking.BROKEN: 1}


def test_many_files_of_which_hardly_one_is_an_image_are_refused(tmp_path, fill, monkeypatch):
    monkeypatch.setattr(walking, "MOST_OTHERS", 500)
    fill("cat", "dog")  # six images each
    (tmp_path / "a").mkdir()
    for number in range(700):
        (tmp_path / "a" / f"{number}.txt").touch()
    with pytest.raises(
        UserError, match="holds more than 500 files and folders, of which only 0 are images. Choose the"
    ):
        listed(tmp_path)
    monkeypatch.setattr(walking, "LEAST_SHARE", 0.0)
    with pytest.raises(UserError, match="class 'a' has no images"):
        listed(tmp_path).check_images()


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="this system has no /proc")
def test_folders_of_the_system_are_not_walked(tmp_path, fill):
    with pytest.raises(UserError, match="^/proc belongs to the system and holds no files. Choose the folder"):
        listed(Path("/proc"))
    fill("cat", "dog")
    (tmp_path / "proc").symlink_to("/proc")
    (tmp_path / "cat" / "self").symlink_to("/proc/self")
    found = listed(tmp_path)
    assert found.classes == ("cat", "dog")
    assert left_out(found) == {walking.SYSTEM: 2}


def test_a_message_has_the_reasons_for_which_most_was_left_out(tmp_path, fill):
    fill("cat")
    (tmp_path / "dog").mkdir()
    for number in range(1, 8):
        for name in range(number):
            (tmp_path / "dog" / f"{name}.x{number}").touch()
    with pytest.raises(UserError) as refused:
        listed(tmp_path).check_images()
    reasons = re.findall(r"the ending \.x(\d) \((\d)\)", str(refused.value))
    assert reasons == [(number, number) for number in "76543"]
    assert str(refused.value).endswith("; and 2 more reasons.")


@pytest.mark.parametrize("path", ["nowhere", "a/" * 300, "~nobody-of-this-name/x"])
def test_a_folder_that_is_not_there(path):
    with pytest.raises(UserError, match="There is no folder .*one folder of images for each class"):
        selection.check(DataRecipe(name="folder", path=path))


@pytest.mark.parametrize(("data", "file"), [("folder", "birds.zip"), ("shards", "train-000000.tar")])
def test_a_file_in_the_place_of_a_folder_is_named_as_a_file(tmp_path, data, file):
    (tmp_path / file).write_bytes(b"")
    with pytest.raises(
        UserError, match=f"{file}' is a file, not a folder. Give the folder that it is in, or .* unpacks to"
    ):
        selection.check(DataRecipe(name=data, path=str(tmp_path / file)))
