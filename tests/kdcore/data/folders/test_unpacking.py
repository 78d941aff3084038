"""Zip files of images: what is unpacked, what is left out and why, and what is refused as a whole."""

import io
import stat
import struct
import unicodedata
import zipfile

import numpy as np
import pytest
from PIL import Image

from kdcore.data import loading
from kdcore.data.folders import report, unpacking
from kdcore.errors import UserError
from kdcore.files import atomic
from kdcore.recipe import DataRecipe


@pytest.fixture(autouse=True)
def _own_data(monkeypatch, tmp_path):
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))


def png(number: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 255, (9, 9, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def images(outer="", count=10, classes=("cat", "dog", "elk")):
    return [(f"{outer}{name}/{i}.png", png(100 * k + i)) for k, name in enumerate(classes) for i in range(count)]


def zipped(entries, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as opened:
        for name, content in entries:
            opened.writestr(name, content)
    file.seek(0)
    return file


def nothing_is_kept():
    return not unpacking.folder().exists() or list(unpacking.folder().iterdir()) == []


def test_the_report_on_what_was_unpacked_has_the_counts_of_a_run():
    found = unpacking.unpack(zipped(images("birds/")), "My birds.zip")
    assert (found.folder.name, found.images, found.left_out) == ("My-birds", 30, ())
    data = DataRecipe(name="folder", path=str(found.folder), image_size=16)
    told = report.report(data)
    assert told.headline.startswith("3 classes, 30 images found: ")
    for split, counts in told.counts.items():
        assert sum(counts) == len(loading.load(data, split).images)


def without_flag(file: io.BytesIO) -> io.BytesIO:
    """The same zip file, whose names do not say that they are UTF-8."""
    raw = bytearray(file.getvalue())
    for mark, flags in ((b"PK\3\4", 7), (b"PK\1\2", 9)):
        place = -1
        while (place := raw.find(mark, place + 1)) >= 0:
            raw[place + flags] &= ~8
    return io.BytesIO(bytes(raw))


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_mac_s_names_are_utf_8_though_no_flag_says_so(form):
    classes = ("Obst", unicodedata.normalize(form, "Gemüse"))
    found = unpacking.unpack(without_flag(zipped(images(classes=classes))), "x.zip")
    assert loading.classes(DataRecipe(name="folder", path=str(found.folder))) == ("Gemüse", "Obst")


def test_names_in_code_page_437_are_those_of_windows():
    raw = zipped(images(classes=("Gem_se", "Obst"))).getvalue().replace(b"Gem_se", b"Gem\x81se")
    found = unpacking.unpack(io.BytesIO(raw), "x.zip")
    assert loading.classes(DataRecipe(name="folder", path=str(found.folder))) == ("Gemüse", "Obst")


def test_what_is_left_out_is_said_and_not_written():
    link = zipfile.ZipInfo("cat/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    odd = [
        ("__MACOSX/cat/._1.png", b"x"), (".DS_Store", b"x"), ("cat/notes.txt", b"x"), ("cat/inner.zip", b"PK"), (link, "/etc/passwd"),
        ("cat/a\nb.png", png(0)), (f"cat/{'x' * 300}.png", png(0)),
    ]  # fmt: skip
    found = unpacking.unpack(zipped(images() + odd), "birds.zip")
    assert {each.reason: each.count for each in found.left_out} == {
        "hidden, checkpoint and system folders": 1, "hidden and system files": 1, "files with the ending .txt": 1,
        "files with the ending .zip": 1, "links": 1, unpacking.CONTROL: 1, unpacking.LONG: 1,
    }  # fmt: skip
    written = [path for path in found.folder.rglob("*") if not path.is_dir()]
    assert len(written) == found.images == 30
    assert not any(path.is_symlink() for path in written)


def test_the_outer_folder_goes_but_not_that_of_a_split():
    assert unpacking.unpack(zipped(images("a/b/")), "x.zip").folder.joinpath("cat").is_dir()
    split = images("all/train/") + images("all/test/", count=2)
    assert unpacking.unpack(zipped(split), "x.zip").folder.joinpath("train", "cat").is_dir()


def test_empty_folders_are_those_of_a_folder_that_was_not_packed():
    """As photos/test/cat/ without an image: it is no reason to take test images from elsewhere without a word."""
    empty = [("photos/test/cat/", b""), ("photos/test/dog/", b""), ("photos/__MACOSX/", b""), ("stray/", b"")]
    with pytest.raises(
        UserError, match="There is no test image: looked in test/cat, test/dog. Add images, or remove the folder test:"
    ):
        unpacking.unpack(zipped(images("photos/train/", classes=("cat", "dog")) + empty), "birds.zip")
    with pytest.raises(
        UserError, match="The class 'emu' has no images in birds.zip: add some .*, or remove its folder"
    ):
        unpacking.unpack(zipped([("emu/", b""), *images()]), "birds.zip")
    assert nothing_is_kept()
    folders = [("birds/cat/", b""), ("birds/cat/more/", b""), ("stray/", b"")]
    found = unpacking.unpack(zipped(folders + images("birds/")), "birds.zip").folder
    assert sorted(path.name for path in found.iterdir()) == ["cat", "dog", "elk"]


def test_empty_folders_count_as_folders(monkeypatch):
    monkeypatch.setattr(unpacking, "MOST_FOLDERS", 12)
    with pytest.raises(UserError, match="birds.zip has more than 12 folders"):
        unpacking.unpack(zipped(images() + [(f"cat/{i}/", b"") for i in range(12)]), "birds.zip")


def written(entries, system):
    """A zip file whose entries were made on a system, by its number: 0 is Windows, 3 Unix. Entries: name, content, attributes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, content, attributes in entries:
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr = system, attributes
            opened.writestr(entry, content)
    file.seek(0)
    return file


def unpacked_files(file):
    root = unpacking.unpack(file, "w.zip").folder
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("system", [0, 3, 10])
@pytest.mark.parametrize("attributes", [0, 0x10])
def test_backslashes_of_windows_are_folders(system, attributes):
    """`cat\\` is the folder itself, which some programs list before its files."""
    folders = [(f"{name}\\", b"", attributes) for name in ("cat", "dog", "elk", "none")]
    files = [(name.replace("/", "\\"), content, 0) for name, content in images()]
    with pytest.raises(UserError, match="The class 'none' has no images in w.zip"):
        unpacking.unpack(written([*folders, *files], system), "w.zip")
    assert unpacked_files(written([*folders[:3], *files], system)) == sorted(name for name, _ in images())


@pytest.mark.parametrize("attributes", [0x10, (stat.S_IFDIR | 0o755) << 16])
def test_a_folder_may_be_known_by_its_attributes_alone(attributes):
    folders = [(name, b"", attributes) for name in ("cat", "dog", "elk")]
    found = unpacking.unpack(written([*folders, *((*each, 0) for each in images())], 0), "w.zip")
    assert (found.images, found.left_out) == (30, ())


def test_backslashes_beside_slashes_are_folders_where_windows_wrote_them():
    mixed = [(name, content, 0) for name, content in images()] + [("cat\\a\\b.png", png(7), 0)]
    assert "cat/a/b.png" in unpacked_files(written(mixed, 0))
    beside = [(name, content, 0) for name, content in images()] + [("cat/a\\b.png", png(7), 0)]
    assert "cat/a\\b.png" in unpacked_files(written(beside, 3))  # a name on Unix


@pytest.mark.parametrize(
    "name",
    [
        "../x.png",
        "cat/../../x.png",
        "/etc/x.png",
        "C:\\x.png",
        "c:/x.png",
        "cat\\..\\..\\x.png",
        "//h/x.png",
        "..\\x.png",
        "\\x.png",
        "\\\\h\\x.png",
    ],
)
def test_an_entry_that_leads_out_refuses_the_whole_file(name, tmp_path):
    with pytest.raises(UserError, match="has an entry that leads out of its folder: .* Nothing was unpacked"):
        unpacking.unpack(zipped([*images(), (name, png(0))]), "x.zip")
    assert nothing_is_kept()
    assert not list(tmp_path.rglob("x.png"))


@pytest.mark.parametrize("name", ["a:b", "c:", "1:2"])
def test_a_colon_in_a_name_is_a_letter_on_unix(name):
    classes = (name, "dog")
    made = written([(each, content, 0) for each, content in images("birds/", classes=classes)], 3)
    assert unpacked_files(made) == sorted(each for each, _ in images(classes=classes))
    outermost = written([(each, content, 0) for each, content in images(classes=("a:b", "dog"))], 3)
    assert unpacked_files(outermost) == sorted(each for each, _ in images(classes=("a:b", "dog")))


@pytest.mark.parametrize("system", [0, 10])
def test_a_letter_and_a_colon_are_a_drive_of_windows(system):
    made = written([(each, content, 0) for each, content in images(classes=("a:b", "dog"))], system)
    with pytest.raises(UserError, match="has an entry that leads out of its folder: 'a:b/0.png'"):
        unpacking.unpack(made, "w.zip")
    assert nothing_is_kept()


def test_a_bomb_is_refused_from_its_list_of_entries(monkeypatch):
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it was unpacked"))
    packed = zipped([], zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        monkeypatch.undo()
        for i in range(3):
            opened.writestr(f"cat/{i}.bmp", b"\0" * (90 << 20))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it was unpacked"))
    monkeypatch.setattr(unpacking, "folder", lambda: unpacking.Path("/nowhere"))
    with pytest.raises(UserError, match=r"would unpack [\d,]+ bytes to 283,115,520. Nothing was unpacked"):
        unpacking.unpack(packed, "bomb.zip")


def test_too_many_entries_and_too_many_bytes_are_refused(monkeypatch):
    monkeypatch.setattr(unpacking, "MOST_ENTRIES", 5)
    with pytest.raises(UserError, match="x.zip has 30 entries; 5 are the most"):
        unpacking.unpack(zipped(images()), "x.zip")
    monkeypatch.undo()
    monkeypatch.setenv("KD_FOLDERS_GB", "0.000001")
    with pytest.raises(UserError, match="Unpacked folders would take .* start the server with a larger KD_FOLDERS_GB"):
        unpacking.unpack(zipped(images()), "x.zip")
    assert nothing_is_kept()


def test_an_image_that_is_damaged_in_the_zip_is_left_out():
    file = zipped(images())
    raw = bytearray(file.getvalue())
    at = raw.find(png(3))
    raw[at + 40] ^= 255
    found = unpacking.unpack(io.BytesIO(bytes(raw)), "x.zip")
    assert found.images == 29
    assert [str(each) for each in found.left_out] == [f"{unpacking.DAMAGED} (1): cat/3.png"]


def test_names_that_are_one_file_are_told():
    with pytest.warns(UserWarning, match="Duplicate name"):
        file = zipped([*images(), ("cat/1.png", png(9)), ("cat/2.png/3.png", png(9))])
    found = unpacking.unpack(file, "x.zip")
    assert {each.reason: each.count for each in found.left_out} == {unpacking.TWICE: 2}
    assert found.images == 30


def test_a_file_that_is_called_as_a_class_does_not_cost_the_class():
    found = unpacking.unpack(zipped([("cat", png(9)), *images()]), "x.zip")
    assert {each.reason: each.examples for each in found.left_out} == {unpacking.TWICE: ("cat",)}
    assert found.images == 30


def test_what_was_left_out_is_said_where_too_few_classes_are_left():
    long = images(classes=("x" * 201,))
    with pytest.raises(UserError, match="has a single class, 'cat'; .* Left out: names of more than 200 bytes"):
        unpacking.unpack(zipped([*images(classes=("cat",)), *long]), "x.zip")


@pytest.mark.parametrize(
    "content, words",
    [
        (b"hello", "x.zip is no zip file, or an incomplete one"),
        (b"", "x.zip is no zip file, or an incomplete one"),
        (zipped(images()).getvalue()[:-200], "x.zip is no zip file, or an incomplete one"),
        (zipped([("a.txt", b"x")]).getvalue(), "x.zip has no images. It should hold one folder of images for each class"),
        (zipped(images(classes=("cat",))).getvalue(), "x.zip has a single class, 'cat'; at least two are needed"),
        (zipped([("labels.csv", b"x"), *images(classes=("pictures",))]).getvalue(), "Tables such as 'labels.csv' are not read: sort"),
        (zipped([("1.png", png(1)), ("2.png", png(2))]).getvalue(), "x.zip has no folders in it"),
        (zipped(images(), zipfile.ZIP_BZIP2).getvalue(), "is compressed in a way that is not read"),
    ],
)  # fmt: skip
def test_what_is_no_zip_of_class_folders_is_refused_in_words(content, words):
    with pytest.raises(UserError) as refused:
        unpacking.unpack(io.BytesIO(content), "x.zip")
    assert words in str(refused.value)
    assert nothing_is_kept()


def test_an_encrypted_zip_is_refused():
    raw = bytearray(zipped(images()).getvalue())
    for at in [i for i in range(len(raw)) if raw[i : i + 4] == b"PK\x01\x02"]:
        raw[at + 8] |= 1
    with pytest.raises(UserError, match="x.zip is encrypted .* Make it again without a password"):
        unpacking.unpack(io.BytesIO(bytes(raw)), "x.zip")


def test_a_second_file_of_one_name_is_another_folder():
    one, other = (unpacking.unpack(zipped(images()), "x.zip").folder for _ in range(2))
    assert (one.name, other.name) == ("x", "x-2")


def test_an_entry_that_would_begin_before_the_file_is_left_out():
    content = bytearray(zipped(images()).getvalue())
    end = content.rfind(b"PK\5\6")
    (begin,) = struct.unpack("<I", content[end + 16 : end + 20])
    struct.pack_into("<I", content, begin + 42, 10)  # of the first entry
    struct.pack_into("<I", content, end + 16, begin + 1000)  # so that all entries begin 1,000 bytes earlier
    with pytest.raises(UserError, match="^birds.zip (is no zip file|has no images)"):
        unpacking.unpack(io.BytesIO(content), "birds.zip")
    assert nothing_is_kept()


def test_more_folders_than_a_disk_should_get_are_refused(monkeypatch):
    monkeypatch.setattr(unpacking, "MOST_FOLDERS", 12)
    deep = [(f"cat/{i}/b/c/1.png", b"") for i in range(4)]
    with pytest.raises(
        UserError, match="birds.zip has more than 12 folders. Nothing was unpacked. It should hold one folder"
    ):
        unpacking.unpack(zipped(deep), "birds.zip")
    assert nothing_is_kept()
    assert unpacking.unpack(zipped(images()), "birds.zip").images == 30


def test_empty_files_and_folders_count_as_blocks_of_the_disk(monkeypatch):
    monkeypatch.setenv("KD_FOLDERS_GB", "0.0001")  # 100,000 bytes
    with pytest.raises(UserError, match="Unpacked folders would take 0.0 GB; 0.0001 GB are the most"):
        unpacking.unpack(zipped([(f"cat/{i}/1.png", b"x") for i in range(30)]), "birds.zip")
    assert nothing_is_kept()


def test_what_cannot_be_listed_is_removed(monkeypatch):
    def failing(target):
        raise OSError("the disk")

    monkeypatch.setattr(unpacking.listing, "listed", failing)
    with pytest.raises(OSError, match="the disk"):
        unpacking.unpack(zipped(images()), "birds.zip")
    assert nothing_is_kept()


def test_what_a_killed_process_left_goes_with_the_next_zip():
    left = unpacking.folder() / f".cats.{atomic.machine()}-999999999-1{atomic.SUFFIX}"
    (left / "cat").mkdir(parents=True)
    unpacking.unpack(zipped(images()), "birds.zip")
    assert [path.name for path in unpacking.folder().iterdir()] == ["birds"]
