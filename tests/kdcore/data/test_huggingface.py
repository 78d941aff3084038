"""Datasets of the package `datasets`: what it saves is read as a folder of the same images is; nothing of it is decoded by it."""

import datetime
import io
import json
import os
import struct
import sys

import numpy as np
import pytest
from PIL import Image

from kdcore import paths
from kdcore.cli.main import main
from kdcore.data import datasets as ours
from kdcore.data import loading, selection, table_labels, tables
from kdcore.data.folders.checking import decoded
from kdcore.data.folders.report import WHOLE, report
from kdcore.errors import NotHere, UserError
from kdcore.recipe import DataRecipe

N = 20


@pytest.fixture
def library():
    library = pytest.importorskip("datasets")
    library.disable_progress_bars()
    return library


def encoded(seed):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (14, 12, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def by_path(library, monkeypatch):
    """Rows are saved with the paths of their images, as earlier versions did, instead of with the images."""
    monkeypatch.setattr(library.arrow_writer, "embed_table_storage", lambda table, **_: table)
    monkeypatch.setattr(library.Dataset, "_estimate_nbytes", lambda table: 0)


def rows(library, n=N, seed=0, label=None, values=None, **columns):
    """n images and their labels, two classes in turn."""
    kind = label or library.ClassLabel(names=["cat", "dog"])
    plain = {
        "image": [{"bytes": encoded(seed + i), "path": None} for i in range(n)],
        "label": values if values is not None else [i % 2 for i in range(n)],
    }
    return library.Dataset.from_dict(plain, features=library.Features({"image": library.Image(), "label": kind}))


def recipe(path, **settings):
    return DataRecipe(name="huggingface", path=str(path), image_size=8, **settings)


def test_the_pixels_are_those_of_the_same_image_in_a_file_of_its_own(tmp_path, library):
    rows(library).save_to_disk(tmp_path / "saved")
    source = ours.of(recipe(tmp_path / "saved"))
    assert source.classes == ("cat", "dog")
    seen = 0
    for pool in source.pools:
        places = np.arange(len(source.targets(pool)))
        images = source.read(pool, places, 8)
        for name, pixels, target in zip(source.files(pool, places), images.pixels, source.targets(pool), strict=True):
            row = int(name.removeprefix("train/"))
            (tmp_path / "one.png").write_bytes(encoded(row))
            np.testing.assert_array_equal(pixels, decoded(tmp_path / "one.png", 8))
            assert target == row % 2
            seen += 1
    assert seen == N


def test_its_splits_are_those_of_the_dataset(tmp_path, library):
    whole = {
        "train": rows(library),
        "validation": rows(library, 6, 50),
        "test": rows(library, 8, 70),
        "extra": rows(library, 4),
    }
    library.DatasetDict(whole).save_to_disk(tmp_path / "saved")
    data = recipe(tmp_path / "saved")
    assert selection.counts(data) == {"train": 20, "validation": 6, "test": 8}
    found = report(data, WHOLE)
    assert [str(each) for each in found.left_out] == [f"{tables.OTHER_SPLITS} (1): extra"]
    assert ours.of(data).files("test", np.arange(2)) == ["test/0", "test/1"]


def test_the_order_of_a_shuffled_dataset_is_its_own(tmp_path, library):
    shuffled = rows(library).shuffle(seed=3).select(range(10))
    shuffled.save_to_disk(tmp_path / "saved")
    source = ours.of(recipe(tmp_path / "saved"))
    item = source.items("train", np.array([0]))[0]
    assert item.read() == shuffled.cast_column("image", library.Image(decode=False))[item.row]["image"]["bytes"]


def test_labels_may_be_words_and_classes_without_images_are_left_out(tmp_path, library):
    rows(library, label=library.Value("string"), values=["b", "a"] * 10).save_to_disk(tmp_path / "words")
    assert loading.classes(recipe(tmp_path / "words")) == ("a", "b")
    kind = library.ClassLabel(names=["ant", "bee", "cat"])
    rows(library, label=kind, values=[2, 0, -1, 0] * 5).save_to_disk(tmp_path / "some")
    found = report(recipe(tmp_path / "some"), WHOLE)
    assert found.classes == ("ant", "cat")
    assert [(each.reason, each.count, each.examples[0]) for each in found.left_out] == [(tables.NO_LABEL, 5, "train/2")]


@pytest.mark.usefixtures("by_path")
def test_an_image_that_cannot_be_read_is_named_by_its_row(tmp_path, library):
    plain = [{"bytes": encoded(i), "path": None} for i in range(N)]
    plain[3] = {"bytes": b"text", "path": None}
    plain[4] = {"bytes": None, "path": "https://example.org/cat.png"}
    plain[5] = None
    (tmp_path / "own.png").write_bytes(encoded(6))
    plain[6] = {"bytes": None, "path": str(tmp_path / "own.png")}
    plain[7] = {"bytes": None, "path": "/a\0b.png"}
    kinds = library.Features({"image": library.Image(), "label": library.ClassLabel(names=["cat", "dog"])})
    table = library.Dataset.from_dict({"image": plain, "label": [i % 2 for i in range(N)]}, features=kinds)
    table.save_to_disk(tmp_path / "saved")
    (left,) = report(recipe(tmp_path / "saved"), WHOLE).left_out
    words = sorted(left.examples)
    assert left.count == 4
    assert words[3].startswith("train/7 (its row has no image, only '/a\\x00b.png'")
    assert words[0].startswith("train/3 (")
    assert words[1].startswith("train/4 (its row has no image, only 'https://example.org/cat.png'")
    assert words[2].startswith("train/5 (its row has no image")


@pytest.mark.usefixtures("by_path")
def test_a_server_reads_no_file_that_a_row_names(tmp_path, library, monkeypatch):
    plain = [{"bytes": None, "path": str(tmp_path / "secret.png")}, {"bytes": encoded(1), "path": None}] * 5
    kinds = library.Features({"image": library.Image(), "label": library.ClassLabel(names=["cat", "dog"])})
    table = library.Dataset.from_dict({"image": plain, "label": [0, 1] * 5}, features=kinds)
    table.save_to_disk(tmp_path / "saved")
    (tmp_path / "secret.png").write_bytes(encoded(2))
    monkeypatch.setenv(paths.ALLOW, str(tmp_path / "saved"))
    monkeypatch.setattr(paths, "_restricted", lambda: True)
    (left,) = report(recipe(tmp_path / "saved"), WHOLE).left_out
    assert left.count == 5
    assert "outside the folders that this server may read" in left.examples[0]


def test_columns_that_are_not_there_are_refused(tmp_path, library):
    library.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}).save_to_disk(tmp_path / "text")
    with pytest.raises(UserError, match=r"no column of type Image. Its columns: text \(Value\), label \(Value\)"):
        loading.classes(recipe(tmp_path / "text"))
    rows(library).rename_column("label", "kind_of_animal").cast_column(
        "kind_of_animal", library.Value("int64")
    ).save_to_disk(tmp_path / "kind")
    with pytest.raises(UserError, match="no column of type ClassLabel, or named label, labels, .*Its columns: image"):
        loading.classes(recipe(tmp_path / "kind"))


@pytest.mark.parametrize("harm", ["no arrow", "cut", "no json", "a folder of photos"])
def test_a_damaged_or_other_folder_is_one_sentence(tmp_path, library, harm):
    saved = tmp_path / "saved"
    rows(library).save_to_disk(saved)
    (arrow,) = saved.glob("*.arrow")
    match harm:
        case "no arrow":
            arrow.unlink()
        case "cut":
            arrow.write_bytes(arrow.read_bytes()[:100])
        case "no json":
            (saved / "state.json").write_text("{")
        case "a folder of photos":
            (saved / "state.json").unlink()
    words = (
        "no folder that the package datasets saved"
        if harm == "a folder of photos"
        else "cannot be opened: .* Save it again"
    )
    with pytest.raises(UserError, match=words):
        loading.classes(recipe(saved))


def test_without_the_package_one_sentence_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train"]}))
    with pytest.raises(UserError, match="Hugging Face datasets need the package datasets: `pip install datasets`"):
        loading.classes(recipe(tmp_path))


def test_a_name_of_the_hub_is_downloaded_by_the_command_alone(tmp_path, library, monkeypatch, capsys):
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    data = recipe("somebody/birds@small")
    with pytest.raises(
        NotHere,
        match="The dataset somebody/birds@small is not on this machine: `python -m kdcore data somebody/birds@small`",
    ):
        loading.load(data, "train", download=True)
    asked = []

    def load_dataset(name, configuration, cache_dir):
        asked.append((name, configuration))
        return library.DatasetDict({"train": rows(library)})

    monkeypatch.setattr(library, "load_dataset", load_dataset)
    for _ in range(2):
        assert main(["data", "somebody/birds@small"]) == 0
        assert "2 classes, 20 images found" in capsys.readouterr().out
    assert asked == [("somebody/birds", "small")]
    assert loading.classes(data) == ("cat", "dog")
    assert [path.name for path in (tmp_path / "data" / "huggingface").iterdir()] == ["somebody--birds@small"]


def test_a_path_of_a_folder_that_is_here_is_no_name_of_the_hub(tmp_path, library, monkeypatch, capsys):
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(library, "load_dataset", lambda *_, **__: pytest.fail("the hub was asked"))
    (tmp_path / "birds").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["data", "birds/trian"]) != 0
    assert "There is no folder 'birds/trian' (looked in" in " ".join(capsys.readouterr().err.split())
    rows(library).save_to_disk(tmp_path / "data" / "huggingface" / "birds--small")
    assert main(["data", "birds/small"]) == 0  # which was downloaded before


def test_a_folder_with_far_more_in_it_than_a_dataset_is_not_searched(tmp_path, library, monkeypatch):
    rows(library).save_to_disk(tmp_path / "saved")  # three files
    monkeypatch.setattr(tables, "MOST_FILES", 3)
    assert ours.of(recipe(tmp_path / "saved")).classes == ("cat", "dog")
    (tmp_path / "saved" / "more").mkdir()
    with pytest.raises(UserError, match="saved holds more than 3 files and folders, as no dataset of the package"):
        ours.of(recipe(tmp_path / "saved")).classes


def test_a_hub_that_cannot_be_reached_is_one_sentence(tmp_path, library, monkeypatch, capsys):
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))

    def load_dataset(*_, **__):
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr(library, "load_dataset", load_dataset)
    assert main(["data", "somebody/birds"]) != 0
    told = capsys.readouterr().err
    assert "There is no folder 'somebody/birds', and a dataset of that name could not be downloaded" in " ".join(
        told.split()
    )
    assert "no route to the hub" in told
    assert list((tmp_path / "data" / "huggingface").iterdir()) == []


@pytest.mark.parametrize("name", ["../elsewhere/data.arrow", "/etc/passwd", "", ".."])
def test_a_description_that_names_files_elsewhere_is_refused(tmp_path, library, name):
    rows(library).save_to_disk(tmp_path / "saved")
    state = json.loads((tmp_path / "saved" / "state.json").read_text())
    state["_data_files"][0]["filename"] = name
    (tmp_path / "saved" / "state.json").write_text(json.dumps(state))
    with pytest.raises(UserError, match=r"state.json names files outside of its folder|cannot be opened"):
        ours.of(recipe(tmp_path / "saved")).listing


@pytest.mark.parametrize(
    "text, words",
    [
        ('{"splits": ["train", "../other"]}', "names files outside of its folder"),
        ('{"splits": ["train", ".."]}', "names files outside of its folder"),
        ('{"splits": 3}', "is damaged. Save it again"),
        ("[" * 50_000, "is damaged. Save it again"),
    ],
)
def test_a_list_of_splits_that_is_none_is_refused(tmp_path, library, text, words):
    library.DatasetDict({"train": rows(library)}).save_to_disk(tmp_path / "saved")
    (tmp_path / "saved" / "dataset_dict.json").write_text(text)
    with pytest.raises(UserError, match=f"dataset_dict.json {words}"):
        ours.of(recipe(tmp_path / "saved")).listing


def test_a_class_name_acts_on_no_terminal():
    assert table_labels._name(0, ["\x1b[31mcat"]) == table_labels._name("\x1b[31mcat", None) == "[31mcat"


def test_a_label_without_a_name_is_its_number():
    assert [table_labels._name(label, ["cat", "dog"]) for label in (1, 2, "elk")] == ["dog", "2", "elk"]
    assert table_labels._name(0, [None]) == "None"  # as a description that was edited by hand may have it
    assert table_labels._name(0, ["  "]) == "0"


def splits(folder, **saved):
    """A dataset whose splits were saved one by one, so that their columns may differ."""
    folder.mkdir()
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(saved)}))
    for name, table in saved.items():
        table.save_to_disk(folder / name)
    return recipe(folder)


def test_labels_of_a_split_with_its_names_in_another_order_are_the_same_classes(tmp_path, library):
    other = rows(library, seed=N, label=library.ClassLabel(names=["dog", "cat"]), values=[0, 0, 0, 1, 1] * 4)
    source = ours.of(splits(tmp_path / "saved", train=rows(library), test=other))
    assert source.classes == ("cat", "dog")
    assert source.targets("test").tolist() == [1, 1, 1, 0, 0] * 4
    elk = rows(library, seed=N, label=library.ClassLabel(names=["elk", "cat"]), values=[1, 0] * 10)
    with pytest.raises(UserError, match="The test images in .* have the class 'elk', which no training image has"):
        ours.of(splits(tmp_path / "elk", train=rows(library), test=elk)).classes


KINDS = {
    "names": (["cat", "dog"], [0, 1]),
    "other order": (["dog", "cat"], [1, 0]),
    "words": (None, ["cat", "dog"]),
    "numbers": (None, [0, 1]),
    "digits": (None, ["0", "1"]),
    "padded": (None, ["00", "01"]),
    "names of digits": (["1", "0"], [1, 0]),
    "empty names": (["", " ", "0"], [0, 2]),
}


def of_kind(library, kind, seed=0):
    """Images whose labels are of a kind, two in turn."""
    known, values = KINDS[kind]
    word = library.Value("string" if isinstance(values[0], str) else "int64")
    return rows(library, seed=seed, label=library.ClassLabel(names=known) if known else word, values=values * (N // 2))


@pytest.mark.parametrize(("train", "test", "classes"), [
    ("names", "words", ("cat", "dog")), ("words", "names", ("cat", "dog")), ("words", "other order", ("cat", "dog")),
    ("other order", "words", ("dog", "cat")), ("names", "numbers", ("cat", "dog")), ("numbers", "names", ("0", "1")),
    ("numbers", "digits", ("0", "1")), ("digits", "numbers", ("0", "1")), ("digits", "names of digits", ("0", "1")),
])  # fmt: skip
def test_labels_of_two_types_are_the_same_classes_where_their_names_are(tmp_path, library, train, test, classes):
    """The first of two images in turn is a cat, or 0, in both splits."""
    both = {"train": of_kind(library, train), "test": of_kind(library, test, N)}
    source = ours.of(splits(tmp_path / "saved", **both))
    assert source.classes == classes
    cat = classes.index("cat") if "cat" in classes else 0
    assert source.targets("train").tolist() == source.targets("test").tolist() == [cat, 1 - cat] * 10


@pytest.mark.parametrize(("train", "test", "words"), [
    ("numbers", "words", "the class 'cat', which no training image has. The labels of the training images are whole numbers, those of the "
     "test images words: save both with labels of one type"),
    ("words", "numbers", "the class '0', which .* training images are words, those of the test images whole numbers"),
    ("numbers", "padded", "the class '00', which .* training images are whole numbers, those of the test images words"),
    ("names", "digits", r"the class '0', which .* training images are a ClassLabel \(cat, dog\), those of the test images words"),
    ("numbers", "names of digits", "whole numbers, others a ClassLabel with the name '1' for the number 0, so that it is not known"),
    ("names of digits", "numbers", "whole numbers, others a ClassLabel with the name '1' for the number 0, so that it is not known"),
])  # fmt: skip
def test_labels_of_two_types_that_do_not_fit_are_named(tmp_path, library, train, test, words):
    both = {"train": of_kind(library, train), "test": of_kind(library, test, N)}
    with pytest.raises(UserError, match=words):
        ours.of(splits(tmp_path / "saved", **both)).classes


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_label_whose_name_is_empty_is_not_that_of_another_name(tmp_path, library, split):
    both = {"train": of_kind(library, "digits"), "test": of_kind(library, "digits", N)}
    both[split] = of_kind(library, "empty names", 2 * N)
    with pytest.raises(
        UserError,
        match=f"The {split} images in .* have the label 0, which has no name, and the label 2, whose name is '0': give each label",
    ):
        ours.of(splits(tmp_path / "saved", **both)).classes


@pytest.mark.parametrize("kind", ["float", "bool", "null", "list", "date"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_column_that_holds_no_classes_is_named_with_its_type(tmp_path, library, kind, split):
    values, feature = {
        "float": ([0.5, 1.5] * 10, library.Value("float32")),
        "bool": ([True, False] * 10, library.Value("bool")),
        "null": ([None] * 20, library.Value("null")),
        "list": ([[0], [1]] * 10, library.Sequence(library.Value("int64"))),
        "date": ([datetime.date(2020, 1, 1)] * 20, library.Value("date32")),
    }[kind]
    odd = rows(library, label=feature, values=values)
    both = {"train": rows(library), "test": rows(library)} | {split: odd}
    with pytest.raises(
        UserError, match=f"The column 'label' of the {split} images in .* is of type .*a whole number from 0, or a word"
    ):
        ours.of(splits(tmp_path / "saved", **both)).classes


def test_words_are_one_class_whatever_their_spaces_and_unicode_form(tmp_path, library):
    words = ["K\u00e4fer", "Ka\u0308fer ", "cat", "", " "] * 4
    rows(library, label=library.Value("string"), values=words).save_to_disk(tmp_path / "words")
    found = report(recipe(tmp_path / "words"), WHOLE)
    assert found.classes == ("Käfer", "cat")
    assert [(each.reason, each.count) for each in found.left_out] == [(tables.NO_LABEL, 8)]
    kind = library.ClassLabel(names=["K\u00e4fer", "Ka\u0308fer", "cat"])
    rows(library, label=kind, values=[0, 1, 2, 2] * 5).save_to_disk(tmp_path / "names")
    source = ours.of(recipe(tmp_path / "names", validation=0.0))
    assert source.classes == ("Käfer", "cat")
    assert source.listing.notes[0].startswith("The labels 0, 1 are one class, 'Käfer': their names differ in spaces")
    assert np.bincount(np.concatenate([source.targets("train"), source.targets("test")])).tolist() == [10, 10]


def test_labels_without_a_name_and_names_that_are_one_are_noted(tmp_path, library):
    kind = library.ClassLabel(names=["", "cat", "dog"])
    rows(library, label=kind, values=[0, 1, 2, 1] * 5).save_to_disk(tmp_path / "nameless")
    found = ours.of(recipe(tmp_path / "nameless"))
    assert found.classes == ("0", "cat", "dog")
    assert found.listing.notes == ("Labels without a name are called by their number: 0.",)
    kind = library.ClassLabel(names=["a\x1bb", "a b"])
    rows(library, label=kind, values=[0, 1] * 10).save_to_disk(tmp_path / "one")
    with pytest.raises(
        UserError, match="a single class, 'a b'; at least two are needed. The labels 0, 1 are one class"
    ):
        ours.of(recipe(tmp_path / "one")).classes


def test_a_word_of_which_nothing_is_seen_is_no_label(tmp_path, library):
    words = ["\u200b", "cat", "dog", "\u00a0"] * 5
    rows(library, label=library.Value("string"), values=words).save_to_disk(tmp_path / "a")
    found = report(recipe(tmp_path / "a"), WHOLE)
    assert found.classes == ("cat", "dog")
    assert [(each.reason, each.count) for each in found.left_out] == [(tables.NO_LABEL, 10)]


def test_too_few_classes_are_counted_with_what_has_no_label(tmp_path, library):
    rows(library, label=library.Value("int64"), values=[-1, 3, 3, 3] * 5).save_to_disk(tmp_path / "one")
    with pytest.raises(
        UserError,
        match="have a single class, '3'; at least two are needed. 5 of 20 images have no label: it is empty, or",
    ):
        ours.of(recipe(tmp_path / "one")).classes
    rows(library, label=library.Value("string"), values=["x" * 500, "cat"] * 10).save_to_disk(tmp_path / "long")
    with pytest.raises(UserError, match="a class with a name of 500 characters.*Choose a column of short labels"):
        ours.of(recipe(tmp_path / "long")).classes


def test_columns_that_may_have_been_meant_are_named(tmp_path, library):
    table = rows(library).add_column("coarse", [0] * N).cast_column("coarse", library.ClassLabel(names=["pet"]))
    table.save_to_disk(tmp_path / "saved")
    assert ours.of(recipe(tmp_path / "saved")).listing.notes == (
        "Labels are those of the column 'label'; not read: 'coarse'.",
    )


def test_two_splits_of_one_kind_are_refused(tmp_path, library):
    library.DatasetDict({"train": rows(library), "training": rows(library, seed=N)}).save_to_disk(tmp_path / "saved")
    with pytest.raises(UserError, match="has two splits of train images, train and training. Save it with one of them"):
        ours.of(recipe(tmp_path / "saved")).classes


@pytest.mark.parametrize(
    ("file", "words"), [("state.json", "is no folder that the package"), ("data", "is no plain file")]
)
def test_a_pipe_among_its_files_is_not_waited_for(tmp_path, library, file, words):
    rows(library).save_to_disk(tmp_path / "saved")
    path = tmp_path / "saved" / ("data-00000-of-00001.arrow" if file == "data" else file)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match=words):
        ours.of(recipe(tmp_path / "saved")).classes


@pytest.mark.parametrize("kind", ["ClassLabel", "string"])
def test_damaged_offsets_are_refused_before_they_are_followed(tmp_path, library, kind):
    """pyarrow reads from wherever they point, which ends the process."""
    values = None if kind == "ClassLabel" else ["cat", "dog"] * 10
    rows(library, label=library.Value("string") if values else None, values=values).save_to_disk(tmp_path / "saved")
    (arrow,) = (tmp_path / "saved").glob("*.arrow")
    lengths = [len(encoded(number)) for number in range(3)] if kind == "ClassLabel" else [3, 3, 3]
    offsets = struct.pack("<4i", *np.cumsum([0, *lengths]))
    raw = arrow.read_bytes()
    assert raw.count(offsets) == 1
    arrow.write_bytes(raw.replace(offsets, struct.pack("<4i", 0, 2**30, 2**30, 2**30)))
    with pytest.raises(
        UserError,
        match="The train images in .* cannot be opened, their file is damaged: .*offset.* save the dataset again",
    ):
        ours.of(recipe(tmp_path / "saved")).classes


def test_a_split_without_rows_or_labels_is_named(tmp_path, library):
    with pytest.raises(
        UserError, match="state.json names no file: a split without rows.*Add rows, or save the dataset without it"
    ):
        ours.of(splits(tmp_path / "none", train=rows(library), test=rows(library, n=0, values=[]))).classes
    without = rows(library, values=[-1] * N)
    with pytest.raises(
        UserError, match="The test images in .* have no label. Add labels, or save the dataset without this split"
    ):
        ours.of(splits(tmp_path / "unlabelled", train=rows(library), test=without)).classes


def test_files_outside_of_the_allowed_folders_are_not_opened_by_a_link(tmp_path, library, monkeypatch):
    rows(library).save_to_disk(tmp_path / "elsewhere")
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    saved = tmp_path / "data" / "saved"
    saved.mkdir(parents=True)
    for file in (tmp_path / "elsewhere").iterdir():
        (saved / file.name).symlink_to(file)
    monkeypatch.setattr(paths, "_restricted", lambda: True)
    with pytest.raises(UserError, match="is outside the folders that this server may read"):
        ours.of(recipe(saved)).listing
