"""Tar files as an attacker or a full disk leaves them: each is one sentence among what is left out, or one error in words."""

import os
import struct
import tarfile

import numpy as np
import pytest

from kdcore import paths
from kdcore.data import datasets, loading
from kdcore.data.folders import walking
from kdcore.data.folders.report import WHOLE, report
from kdcore.data.shards import index, tar
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe
from tests.kdcore.data.shards.conftest import add, encoded


@pytest.fixture
def folder(tmp_path, write):
    write("train-000000.tar", n=10)
    return tmp_path / "shards"


def recipe(folder):
    return DataRecipe(name="shards", path=str(folder), image_size=8)


def left_out(folder):
    found = index.indexed(folder, lambda text: None)
    assert len(found) >= 20  # the other shard
    return {each.reason: each.examples for each in found.left_out}


def header(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    block = bytearray(struct.pack("100s8s8s8s12s12s8s1s355x", name, b"0000644", b"0", b"0", size, b"0", b" " * 8, kind))
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


@pytest.mark.parametrize("name", ["../../etc/passwd.png", "/etc/passwd.png", "a/../../b.png"])
def test_a_name_that_leads_out(folder, name):
    with tarfile.open(folder / "train-1.tar", "w") as made:
        add(made, name, encoded(1))
        add(made, name.replace("png", "cls"), b"0")
    (reason,) = left_out(folder)
    assert reason == tar.LEADS_OUT
    assert left_out(folder)[reason][0] == f"train-1.tar/{name}"


@pytest.mark.parametrize(("kind", "reason"), [
    (tarfile.SYMTYPE, tar.LINKS), (tarfile.LNKTYPE, tar.LINKS), (tarfile.CHRTYPE, tar.DEVICES), (tarfile.FIFOTYPE, tar.DEVICES),
    (b"S", tar.DEVICES), (b"Z", tar.DEVICES),
])  # fmt: skip
def test_links_and_devices(folder, kind, reason):
    with tarfile.open(folder / "train-1.tar", "w") as made:
        add(made, "0.png", b"", type=kind, linkname="/etc/passwd")
        add(made, "0.cls", b"0")
    assert left_out(folder) == {reason: ("train-1.tar/0.png",), index.NO_IMAGE: ("train-1.tar/0.cls",)}


@pytest.mark.parametrize("cut", [100, 512, 700, 5000])
def test_a_truncated_shard_gives_what_is_whole(folder, cut):
    raw = (folder / "train-000000.tar").read_bytes()
    (folder / "train-1.tar").write_bytes(raw[:cut])
    (words,) = left_out(folder)[tar.DAMAGED]
    assert words.startswith(("train-1.tar (it ends within ", "train-1.tar (it has no end mark"))
    assert words.endswith(" images before that are used)")


@pytest.mark.parametrize(("raw", "words"), [
    (b"", "it is empty"), (bytes(2048), "it is empty"), (b"not a tar file " * 99, "what is at byte 0 is no header"),
    (header(b"0.png", b"77777777777"), "it ends within '0.png', whose header names 8,589,934,591 bytes"),
    (header(b"0.png", b"\x80" + b"\xff" * 11), "it ends within '0.png'"), (header(b"0.png", b"-1"), "has no valid size"),
    (header(b"0.png", b"\xff" * 12), "has no valid size"),
    (header(b"x", b"00000400000", b"L") + bytes(1 << 20), "the name at byte 512 has 131,072 bytes"),
    (header(b"x", b"00000000024", b"x") + b"99999 path=a\n".ljust(512, b"\0") + bytes(512), "pax header"),
    (header(b"x", b"00000000021", b"x") + b"17 size=-5000000\n".ljust(512, b"\0"), "pax header has no valid size"),
])  # fmt: skip
def test_bytes_that_are_no_tar_file(folder, raw, words):
    (folder / "train-1.tar").write_bytes(raw)
    (found,) = left_out(folder)[tar.DAMAGED]
    assert words in found


def test_an_entry_that_is_in_itself_ends(folder):
    """Sizes are never negative, so that the next header is always further on."""
    (folder / "train-1.tar").write_bytes(header(b"0.png", b"0") * 50 + bytes(1024))
    found = left_out(folder)
    assert found.keys() == {index.UNLABELLED, index.FURTHER}
    assert found[index.UNLABELLED] == ("train-1.tar/0.png",)


def test_further_images_of_a_key_are_named(folder):
    with tarfile.open(folder / "train-1.tar", "w") as made:
        for name, content in (("0.rgb.png", encoded(1)), ("0.depth.png", encoded(2)), ("0.cls", b"0"), ("0.cls", b"1")):
            add(made, name, content)
    assert left_out(folder) == {index.FURTHER: ("train-1.tar/0.cls", "train-1.tar/0.depth.png")}


@pytest.mark.parametrize("again", ["0.png", "0.jpg"])
def test_a_key_that_comes_again_later_is_named(folder, again):
    with tarfile.open(folder / "train-1.tar", "w") as made:
        for name, label in (("0.png", b"0"), ("1.png", b"1"), (again, b"1")):
            add(made, name, encoded(1))
            add(made, f"{name[0]}.cls", label)
    found = index.indexed(folder, lambda text: None)
    assert {each.reason: each.examples for each in found.left_out} == {index.FURTHER: (f"train-1.tar/{again}",)}
    assert len(found) == 20 + 2


def test_a_key_of_another_shard_is_another_image(folder, write):
    (folder / "train-1.tar").write_bytes((folder / "train-000000.tar").read_bytes())
    assert left_out(folder) == {}
    assert len(index.indexed(folder, lambda text: None)) == 40


@pytest.mark.parametrize("label", [
    b"", b" ", "\u200b".encode(), "\u202ecat".encode(), b"a\tb", "cat".encode("utf-16"), b"a\nb", b"\xff\xfe", b"9" * 10, b"x" * 256, b"x" * 100_000,
])  # fmt: skip
def test_a_label_that_is_none(folder, label):
    with tarfile.open(folder / "train-1.tar", "w") as made:
        add(made, "0.png", encoded(1))
        add(made, "0.cls", label)
    assert left_out(folder) == {index.NO_LABEL: ("train-1.tar/0.cls",)}


@pytest.mark.parametrize("label", ["-1", "-12", "1000000000", "9" * 5000])
def test_a_whole_number_that_is_no_class_is_no_name_either(folder, label):
    with tarfile.open(folder / "train-1.tar", "w") as made:
        add(made, "0.png", encoded(1))
        add(made, "0.cls", label.encode())
    assert left_out(folder).keys() == {index.NO_LABEL}


@pytest.mark.parametrize(
    ("name", "label"), [("0.cls", "+1"), ("0.cls", "01"), ("0.json", '{"label": 1.0}'), ("0.json", "1.00"), ("0.json", '"1"')]
)  # fmt: skip
def test_a_whole_number_is_the_same_label_however_it_is_written(folder, name, label):
    with tarfile.open(folder / "train-1.tar", "w") as made:
        add(made, "0.png", encoded(1))
        add(made, name, label.encode())
    assert left_out(folder) == {}
    assert loading.classes(recipe(folder)) == ("0", "1")


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (("007", "7"), "'007' and '7'"),
        (("+7", "7", "07"), "'+7' and '7'"),
        (("e\u0301", "\u00e9"), r"'e\u0301' and '\xe9'"),
    ],
)
def test_labels_that_are_one_class_in_two_ways_are_questioned(folder, labels, shown):
    with tarfile.open(folder / "train-1.tar", "w") as made:
        for key, text in enumerate(labels):
            add(made, f"{key}.png", encoded(key))
            add(made, f"{key}.cls", text.encode())
    found = index.indexed(folder, lambda text: None)
    assert len(found.classes) == 3
    assert found.questions[0].startswith(
        f"1 of the classes have labels that are written in different ways: {shown}. Numbers"
    )


def test_padded_numbers_and_line_ends_are_no_other_way(folder, write):
    (folder / "train-000000.tar").unlink()
    write("train-1.tar", labels=("000", "001\n", "000\r\n"))
    found = index.indexed(folder, lambda text: None)
    assert (found.classes, found.questions) == (("0", "1"), ())


@pytest.mark.parametrize("label", [
    "1e5", "1E5", "1.0", "-0.5", "nan", "-inf", "Infinity", "0x1F", "1_000", "\u0663", "\u00b2", "1/2", "True",
])  # fmt: skip
def test_what_is_not_written_as_a_whole_number_is_a_name(folder, label):
    """`1e5` and `100000` may be two ids in hexadecimal digits."""
    with tarfile.open(folder / "train-1.tar", "w") as made:
        for key, text in ((0, label), (1, "100000")):
            add(made, f"{key}.png", encoded(key))
            add(made, f"{key}.cls", text.encode())
    assert left_out(folder) == {}
    assert loading.classes(recipe(folder)) == tuple(sorted(("0", "1", "100000", label)))


@pytest.mark.parametrize(
    "label", ["a\u00a0b", "\u0645\u06cc\u200c\u0634\u0648\u062f"]
)  # a space that does not break; Persian
def test_a_name_may_have_what_is_no_letter_in_it(folder, label):
    with tarfile.open(folder / "train-1.tar", "w") as made:
        add(made, "0.png", encoded(1))
        add(made, "0.cls", label.encode())
    assert left_out(folder) == {}
    assert label in loading.classes(recipe(folder))


def test_null_in_json_is_no_label_and_the_next_key_counts(folder):
    with tarfile.open(folder / "train-1.tar", "w") as made:
        add(made, "0.png", encoded(1))
        add(made, "0.json", b'{"cls": null, "label": 1}')
    assert left_out(folder) == {}
    assert loading.classes(recipe(folder)) == ("0", "1")


def test_a_list_of_class_names_beside_labels_that_are_names_is_not_read(folder):
    (folder / "classes.txt").write_text("ant\nbee\n")
    with tarfile.open(folder / "train-1.tar", "w") as made:
        add(made, "0.png", encoded(1))
        add(made, "0.cls", b"cat")
    assert index.indexed(folder, lambda text: None).notes == (
        "classes.txt is not read: it would name numbered labels, and not all of these are numbers.",
    )


def test_a_list_of_class_names_with_numbers_in_another_order_is_noted(folder):
    (folder / "classes.txt").write_text("1 dog\n0 cat\n")
    found = index.indexed(folder, lambda text: None)
    assert found.classes == ("cat", "dog")
    assert found.notes[0].startswith("The lines of classes.txt begin with numbers in another order")


def test_numbers_among_names_are_questioned(folder):
    with tarfile.open(folder / "train-1.tar", "w") as made:
        add(made, "0.png", encoded(1))
        add(made, "0.cls", b"cat")
    (question,) = index.indexed(folder, lambda text: None).questions
    assert question.startswith("Some labels are numbers (0, 1), others names (cat)")


def test_names_in_test_shards_beside_numbers_in_training_shards_are_named_as_such(folder, write):
    write("test-000000.tar", labels=("cat", "dog"))
    with pytest.raises(
        UserError,
        match="have the class 'cat', which no training shard has: .* Some labels are numbers .0, 1., others names .cat",
    ):
        left_out(folder)


def test_labels_that_do_not_follow_their_images_say_what_would_do(tmp_path, write, folder):
    apart = tmp_path / "apart"
    apart.mkdir()
    for where in (apart, folder):
        with tarfile.open(where / "train-1.tar", "w") as made:
            for ending in ("png", "cls"):
                for number in range(3):
                    add(made, f"{number}.{ending}", encoded(number) if ending == "png" else b"0")
    with pytest.raises(
        UserError, match="has no image with a label.*have to follow one another in the shard, as `tar --sort=name`"
    ):
        index.indexed(apart, lambda text: None)
    (question,) = index.indexed(folder, lambda text: None).questions
    assert question.startswith(
        "3 images have no label and 3 labels no image. An image and its label need the same name"
    )


def test_a_split_without_labels_is_refused_without_naming_the_whole_folder(folder, write):
    write("test-000000.tar", n=0)
    with pytest.raises(
        UserError, match="The test shards of .* have no image with a label. Add some, or remove these shards: then"
    ):
        left_out(folder)


def test_a_sparse_file_as_gnu_tar_writes_it_is_named(folder):
    with tarfile.open(folder / "train-1.tar", "w", format=tarfile.PAX_FORMAT) as made:
        sparse = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": "0.png",
            "GNU.sparse.realsize": "99",
        }
        add(made, "./GNUSparseFile.7/0.png", b"1\n0\n9\n", pax_headers=sparse)
        add(made, "0.cls", b"0")
    assert left_out(folder) == {tar.DEVICES: ("train-1.tar/0.png",), index.NO_IMAGE: ("train-1.tar/0.cls",)}


def test_the_ending_of_a_shard_counts_in_capitals_too(tmp_path, folder):
    os.rename(folder / "train-000000.tar", folder / "Train-0.TAR")
    (folder / "train-1.TAR.GZ").write_bytes(b"\x1f\x8b")
    source = datasets.of(recipe(folder))
    assert left_out(folder) == {index.COMPRESSED: ("train-1.TAR.GZ",)}
    places = np.arange(len(source.targets("train")))
    assert len(source.read("train", places, 8).kept) == len(places) > 0
    assert all(name.startswith("Train-0.TAR/") for name in source.files("train", places))


def test_a_compressed_shard_under_the_name_of_a_tar_file_is_named_as_compressed(folder):
    for number, how in enumerate(("gz", "bz2", "xz"), 1):
        with tarfile.open(folder / f"train-{number}.tar", f"w:{how}") as made:
            add(made, "0.png", encoded(1))
    assert left_out(folder) == {index.COMPRESSED: ("train-1.tar", "train-2.tar", "train-3.tar")}


@pytest.mark.parametrize("name", ["classes.txt", "labels.txt"])
def test_a_list_of_class_names_that_cannot_be_read_is_no_missing_list(folder, name):
    os.mkfifo(folder / name)
    with pytest.raises(UserError, match=f"{name} cannot be read: It is no plain file"):
        left_out(folder)
    (folder / name).unlink()
    (folder / name).write_text("\n")
    with pytest.raises(UserError, match=f"{name} should have the names of the classes, one a line: it is empty"):
        left_out(folder)


@pytest.mark.parametrize(("name", "label"), [("0.cls", "\ufeff1"), ("0.json", '\ufeff{"label": 1}')])
def test_a_label_after_a_byte_order_mark_is_the_same_label(folder, name, label):
    with tarfile.open(folder / "train-1.tar", "w") as made:
        add(made, "0.png", encoded(1))
        add(made, name, label.encode())
    assert left_out(folder) == {}


def test_names_of_classes_that_look_the_same_are_questioned(folder):
    (folder / "classes.txt").write_text("cat\nCat\n")
    (question,) = index.indexed(folder, lambda text: None).questions
    assert question.startswith("'cat' and 'Cat' are two classes")


def test_names_of_classes_after_a_byte_order_mark_are_the_same_names(folder):
    (folder / "classes.txt").write_text("\ufeffcat\r\ndog\r\n", encoding="utf-8")
    assert loading.classes(recipe(folder)) == ("cat", "dog")


@pytest.mark.parametrize("label", [
    b"{", b"[" * 60_000, b'{"label": true}', b'{"label": 1.5}', b'{"label": null}', b'{"other": 1}', b"[1]", b'{"label": "\\ud800"}',
    b'{"label": ' + b"9" * 5000 + b"}", b'{"label": 1, "label": 0}', b'{"label": NaN}', b'{"label": 1e400}',
])  # fmt: skip
def test_json_that_is_no_label(folder, label):
    with tarfile.open(folder / "train-1.tar", "w") as made:
        add(made, "0.png", encoded(1))
        add(made, "0.json", label)
    assert left_out(folder) == {index.NO_LABEL: ("train-1.tar/0.json",)}


def test_files_that_cannot_be_opened(folder):
    (folder / "train-1.tar").mkdir()
    (folder / "train-2.tar").symlink_to("nowhere.tar")
    os.mkfifo(folder / "train-3.tar")
    assert [words.partition(" (")[0] for words in left_out(folder)[index.CLOSED]] == [
        "train-1.tar",
        "train-2.tar",
        "train-3.tar",
    ]


def test_a_link_out_of_the_allowed_folders(folder, tmp_path, write, monkeypatch):
    write("../elsewhere/train-1.tar")
    (folder / "train-1.tar").symlink_to(tmp_path / "elsewhere" / "train-1.tar")
    monkeypatch.setenv(paths.ALLOW, str(folder))
    monkeypatch.setattr(paths, "_restricted", lambda: True)
    assert left_out(folder) == {walking.NOT_ALLOWED: ("train-1.tar",)}
    with pytest.raises(UserError, match="outside the folders that this server may read"):
        loading.classes(recipe(tmp_path / "elsewhere"))


def test_a_shard_that_was_cut_after_it_was_listed(folder):
    source = datasets.of(recipe(folder))
    places = np.arange(len(source.targets("train")))
    with open(folder / "train-000000.tar", "r+b") as file:
        file.truncate(2000)
    found = source.read("train", places, 8)
    assert len(found.kept) < len(places)
    assert "train-000000.tar ends within it: copy that file again" in found.unreadable[0]


def test_images_that_cannot_be_decoded_are_named_with_their_shard(folder):
    with tarfile.open(folder / "train-1.tar", "w") as made:
        for name, content in (("a", b""), ("b", b"text"), ("c", encoded(1)[:60])):
            add(made, f"{name}.png", content)
            add(made, f"{name}.cls", b"0")
    (left,) = report(recipe(folder), WHOLE).left_out
    assert left.count == 3
    assert [each.partition(" (")[0] for each in left.examples] == [f"train-1.tar/{name}.png" for name in "abc"]


def test_no_image_with_a_label(tmp_path, write):
    path = write("train-0.tar", n=0)
    with tarfile.open(path, "w") as made:
        add(made, "0.png", encoded(1))
    with pytest.raises(
        UserError,
        match=r"has no image with a label. It should hold .*Left out: images without a label .*: train-0.tar/0.png",
    ):
        loading.classes(recipe(tmp_path / "shards"))


@pytest.mark.parametrize(
    "text, words",
    [
        (
            b"x" * 1000 + b"\ny\nz",
            "classes.txt has a name of 1,000 characters, 'xxx.*; 400 are the most. Write one name a line",
        ),
        (b"cat\n\ndog\nelk\n", "classes.txt has no name in line 2: the label 1 needs one there"),
        (b"k\xe4fer\ndog", "classes.txt is not text in UTF-8: save it as UTF-8, one name a line"),
        (b"x" * (17 << 20), r"classes.txt cannot be read: It has 17,825,792 bytes, 16,777,216 are the most"),
    ],
)
def test_class_names_that_no_weight_file_could_hold(folder, text, words):
    (folder / "classes.txt").write_bytes(text)
    with pytest.raises(UserError, match=words):
        left_out(folder)


def test_class_names_act_on_no_terminal(folder):
    (folder / "classes.txt").write_bytes(b"\x1b[31mcat\ndog\nelk\n" + b"\n".join(b"class %d" % n for n in range(30)))
    assert not any("\x1b" in name for name in datasets.of(recipe(folder)).classes)
