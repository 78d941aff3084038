import shutil

import numpy as np
import pytest
from PIL import Image

from kdcore.cli.data import show_before
from kdcore.cli.main import main
from kdcore.cli.progress import Bar
from kdcore.data import loading, selection
from kdcore.data.folders import checking
from kdcore.data.folders.report import TWICE, WHOLE, report
from kdcore.errors import UserError
from kdcore.events import Noted
from kdcore.recipe import DataRecipe
from kdcore.setup.build import folder_notes


def folder(path, **settings):
    return DataRecipe(name="folder", path=str(path), image_size=8, **settings)


def test_the_headline_counts_what_the_run_gets(tmp_path, fill):
    fill("cat", "dog", "elk", n=40)
    found = report(folder(tmp_path))
    assert found.headline == "3 classes, 120 images found: 87 training, 9 validation and 24 test images."
    sizes = {split: tuple(loading.load(folder(tmp_path), split).targets.bincount().tolist()) for split in found.counts}
    assert found.counts == sizes
    assert selection.counts(folder(tmp_path)) == {split: sum(counts) for split, counts in sizes.items()}


def test_of_some_classes_only_theirs_count(tmp_path, fill):
    fill("cat", "dog", "elk", n=10)
    found = report(folder(tmp_path, only=("elk", "cat")))
    assert found.classes == ("elk", "cat")
    assert found.headline.startswith("2 classes, 20 images found")


def test_files_that_cannot_be_read_are_named_before_the_run(tmp_path, fill):
    fill("cat", "dog", n=10)
    (tmp_path / "cat" / "03.png").write_text("not an image")
    (tmp_path / "dog" / "05.png").write_bytes((tmp_path / "dog" / "05.png").read_bytes()[:60])
    Image.new("RGB", (9, 9), "white").save(tmp_path / "dog" / "06.png")
    unchecked = report(folder(tmp_path))
    assert unchecked.unchecked == 20
    assert "20 images are decoded when the run starts" in unchecked.lines()[-1]
    found = report(folder(tmp_path), 20.0)
    assert found.unchecked == 0
    assert found.headline.startswith("2 classes, 20 images found, 2 of which cannot be read: ")
    (left,) = found.left_out
    assert (left.reason, left.count) == ("files that cannot be read", 2)
    assert "cat/03.png (it is text, not an image" in left.examples[0]
    assert found.warnings == ("An image has a single colour; check it: dog/06.png.",)
    counts = selection.counts(folder(tmp_path))
    assert counts == {split: len(loading.load(folder(tmp_path), split)) for split in counts}
    assert sum(counts.values()) == sum(map(sum, found.counts.values())) == 18


def test_a_file_that_was_mended_counts_again(tmp_path, fill):
    fill("cat", n=1)
    file = tmp_path / "cat" / "00.png"
    whole = file.read_bytes()
    file.write_bytes(whole[:40])
    assert checking.checked([str(file)], 20.0) != [""]
    assert checking.unreadable(str(tmp_path)) == ["cat/00.png"]
    file.write_bytes(whole)
    assert checking.known(str(file)) is None
    assert checking.checked([str(file)], 20.0) == [""]


def test_copies_between_splits_and_classes_are_said(tmp_path, fill):
    fill("train/cat", "train/dog", "test/cat", "test/dog", n=4)
    shutil.copy(tmp_path / "train/cat/00.png", tmp_path / "test/cat/copy.png")
    shutil.copy(tmp_path / "train/cat/01.png", tmp_path / "train/dog/copy.png")
    shutil.copy(tmp_path / "test/dog/01.png", tmp_path / "test/dog/copy.png")
    found = report(folder(tmp_path, validation=0))
    assert found.warnings == (
        "1 of 10 test images is a copy of a training image, so test results would be too good: train/cat/00.png = test/cat/copy.png.",
        "1 image lies in several classes, so a label is wrong: train/cat/01.png = train/dog/copy.png.",
        "2 files are copies of another one of the same split.",
    )
    assert found.notes == (TWICE,)


def test_copies_of_validation_images_among_test_images_are_said(tmp_path, fill):
    fill("train/cat", "train/dog", "val/cat", "val/dog", "test/cat", "test/dog", n=4)
    shutil.copy(tmp_path / "val/cat/00.png", tmp_path / "test/cat/copy.png")
    assert report(folder(tmp_path)).warnings == (
        "1 of 9 test images is a copy of a validation image, on which settings may be chosen: val/cat/00.png = test/cat/copy.png.",
    )
    shutil.copy(
        tmp_path / "val/cat/00.png", tmp_path / "train/cat/copy.png"
    )  # in all three: said once for each that is tested
    assert [words.partition(", ")[0] for words in report(folder(tmp_path)).warnings] == [
        "1 of 9 test images is a copy of a training image",
        "1 of 8 validation images is a copy of a training image",
    ]


def test_files_of_one_size_are_no_copies(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(6):
            pixels = np.full((4, 4, 3), 10 * i + (100 if name == "dog" else 0), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.bmp")
    assert report(folder(tmp_path)).warnings == ()


@pytest.mark.parametrize("images, split, message", [
    ({"cat": 1, "dog": 1}, "test", "There is no test image .*a fifth of each class is held out"),
    ({"train/cat": 1, "train/dog": 1, "test/cat": 1, "test/dog": 1}, "validation", "set `data.validation` to 0"),
])  # fmt: skip
def test_a_split_without_images_is_refused_before_the_run(tmp_path, fill, images, split, message):
    for name, n in images.items():
        fill(name, n=n)
    with pytest.raises(UserError, match=message):
        selection.check(folder(tmp_path))


def test_empty_folders_of_test_images_are_refused_with_their_place(tmp_path, fill):
    fill("train/cat", "train/dog")
    fill("test/cat", "test/dog", n=0)
    with pytest.raises(
        UserError, match=f"no test image: looked in {tmp_path}/test/cat, {tmp_path}/test/dog. Add images, or"
    ):
        selection.check(folder(tmp_path))


def test_a_split_whose_files_cannot_be_read_is_refused_where_that_is_known(tmp_path, fill):
    fill("train/cat", "train/dog", "test/cat", "test/dog")
    for file in (tmp_path / "test").glob("*/*.png"):
        file.write_bytes(b"\x89PNG\r\n\x1a\n")
    report(folder(tmp_path), seconds=WHOLE)
    with pytest.raises(UserError, match=r"None of the test images can be read: `python -m kdcore data /.*` names them"):
        selection.check(folder(tmp_path))


def test_labels_must_fit_the_training_images(tmp_path, fill):
    fill("cat", "dog", n=20)
    with pytest.raises(
        UserError, match=r"`data.labels` is 30, but there are 2 classes and 28 training images .*choose 2 to 28"
    ):
        selection.check(folder(tmp_path, labels=30))


def test_a_run_logs_a_summary_and_what_looks_like_a_mistake(tmp_path, fill):
    fill("pets/cat", "pets/dog", n=10)
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("x")
    shutil.copy(tmp_path / "pets/cat/01.png", tmp_path / "pets/dog/copy.png")
    summary, warning, *_ = folder_notes(folder(tmp_path / "pets"))
    assert summary.text == (
        f"{tmp_path}/pets: 2 classes, 21 images found: 15 training, 2 validation and 4 test images. Left out: 1 file or folder."
    )
    assert (summary.level, warning.level) == ("info", "warning")
    assert list(folder_notes(DataRecipe())) == []


def test_distill_prints_it_on_standard_error(tmp_path, fill, capsys):
    fill("cat", "dog", n=10)
    show_before(folder(tmp_path))
    show_before(DataRecipe())
    printed = capsys.readouterr()
    assert "2 classes, 20 images found" in printed.err
    assert printed.out == ""


def test_a_run_in_the_terminal_does_not_repeat_it(tmp_path, fill, capsys):
    fill("pets/cat", "pets/dog", n=10)
    shutil.copy(tmp_path / "pets/cat/01.png", tmp_path / "pets/dog/copy.png")
    chosen = folder(tmp_path / "pets")
    bar = Bar(show_before(chosen))
    notes = list(folder_notes(chosen))
    for note in (*notes, Noted("Loading the teacher.")):
        bar.take("run", note)
    bar.close()
    printed = " ".join(capsys.readouterr().out.split())
    assert len(notes) > 1
    assert "Loading the teacher." in printed
    assert "images found" not in printed
    assert notes[1].text.split(":")[0] not in printed


def test_the_command_prints_it(tmp_path, fill, capsys):
    fill("cat", "dog", n=10)
    (tmp_path / "cat" / "notes.txt").write_text("x")
    assert main(["data", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "2 classes, 20 images found: 14 training, 2 validation and 4 test images." in out
    assert "- Left out: files with the ending .txt (1): cat/notes.txt." in out
    assert main(["data", str(tmp_path), "--json"]) == 0
    assert '"found": 20' in capsys.readouterr().out
    assert main(["data", str(tmp_path / "cat" / "x")]) == 1
    assert "There is no folder" in capsys.readouterr().err
    assert main(["data", str(tmp_path), "--validation", "3"]) == 1
    assert "`data.validation` should be less than 0.9, not 3" in capsys.readouterr().err


def test_classes_without_test_images_are_named(tmp_path, fill):
    fill("train/cat", "train/dog", "train/elk", "test/cat", "test/elk", n=4)
    assert "1 of 3 classes has no test images: dog." in report(folder(tmp_path)).warnings
    fill(*(f"train/more {number}" for number in range(6)), n=4)
    expected = "7 of 9 classes have no test images: dog, more 0, more 1, more 2, more 3 and 2 more."
    assert expected in report(folder(tmp_path)).warnings


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("a" * 5000, "it has 5,000 characters; a path has at most 1,000"),
        ("a\udcffb", "is not UTF-8 text: rename"),
        ("~nobody-here/birds", "There is no folder '~nobody-here/birds'"),
        ("a\0b", "is not a path: it contains a zero byte"),
    ],
)
def test_a_path_that_no_folder_has_is_refused_in_words(path, words, capsys):
    assert main(["data", path]) == 1
    assert words in capsys.readouterr().err
