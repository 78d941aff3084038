import io
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kdcore import photos
from kdcore.data import loading
from kdcore.data.folders.checking import decoded
from kdcore.recipe import DataRecipe

COLOURS = {"cat": (250, 0, 0), "dog": (0, 250, 0), "elk": (0, 0, 250)}


def fill(folder, n=10, classes=COLOURS):
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(n):
            Image.new("RGB", (20 + i, 30), COLOURS[name]).save(folder / name / f"{i}.png")
    return folder


def recipe(folder, **settings):
    return DataRecipe(name="folder", path=str(folder), image_size=8, **settings)


def test_class_folders_become_classes_and_a_test_split_is_split_off(tmp_path):
    chosen = recipe(fill(tmp_path))
    assert loading.classes(chosen) == ("cat", "dog", "elk")
    sizes = {name: loading.load(chosen, name).targets.bincount().tolist() for name in loading.splits(chosen)}
    assert sizes == {"train": [7] * 3, "validation": [1] * 3, "test": [2] * 3}


def test_images_have_the_colour_of_their_class(tmp_path):
    split = loading.load(recipe(fill(tmp_path)), "train")
    assert split.images.shape == (21, 3, 8, 8)
    assert split.images.amax((2, 3)).argmax(1).tolist() == split.targets.tolist()


@pytest.mark.parametrize("validation", ["val", "valid", "Validation"])
def test_folders_named_after_splits_are_those_splits(tmp_path, validation):
    for name, n in (("train", 6), (validation, 2), ("test", 3)):
        fill(tmp_path / name, n)
    sizes = {name: len(loading.load(recipe(tmp_path), name)) for name in loading.splits(recipe(tmp_path))}
    assert sizes == {"train": 18, "validation": 6, "test": 9}


def test_files_that_cannot_be_read_are_listed_and_left_out(tmp_path):
    fill(tmp_path, 10)
    (tmp_path / "cat" / "notes.jpg").write_text("not an image at all")
    whole = (tmp_path / "dog" / "3.png").read_bytes()
    (tmp_path / "dog" / "3.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "dog" / "readme.txt").write_text("ignored")
    said = []
    sizes = [len(loading.load(recipe(tmp_path), name, report=said.append)) for name in ("train", "validation", "test")]
    assert sum(sizes) == 29
    told = " ".join(said)
    assert "Left out" in told
    assert "cat/notes.jpg" in told
    assert "dog/3.png" in told
    assert "readme" not in told


def test_a_class_without_a_readable_image_is_refused(tmp_path):
    fill(tmp_path)
    for file in (tmp_path / "dog").iterdir():
        file.write_text("gone")
    with pytest.raises(
        ValueError, match="Not one train image of the class 'dog' can be read; for example dog/.*Replace the files"
    ):
        loading.load(recipe(tmp_path), "train")


def test_a_small_split_may_lose_a_class_to_unreadable_files(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", n=1)
    (tmp_path / "test" / "dog" / "0.png").write_text("gone")
    assert loading.load(recipe(tmp_path), "test").targets.tolist() == [0, 2]


def test_more_images_than_there_are_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match="`data.train_images` is 1,000, but folder has only 24: choose at most 24, or null for all."
    ):
        loading.load(recipe(fill(tmp_path), train_images=1000), "train")


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="There is no folder .*nowhere.*one folder of images for each class"):
        loading.classes(recipe(tmp_path / "nowhere"))


def test_a_folder_without_classes_is_refused(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "cat.png")
    with pytest.raises(ValueError, match="has no folders in it"):
        loading.classes(recipe(tmp_path))


def test_a_single_class_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a single class, 'cat'; at least two are needed"):
        loading.classes(recipe(fill(tmp_path, classes=["cat"])))


def test_a_class_without_images_is_refused(tmp_path):
    (fill(tmp_path) / "fox").mkdir()
    with pytest.raises(ValueError, match="The class 'fox' has no images"):
        loading.load(recipe(tmp_path), "train")


def test_a_test_class_that_training_does_not_have_is_refused(tmp_path):
    fill(tmp_path / "train", classes=["cat", "dog"])
    fill(tmp_path / "test")
    with pytest.raises(ValueError, match="has the class 'elk'"):
        loading.classes(recipe(tmp_path))


def test_the_middle_square_is_kept(tmp_path):
    wide = np.zeros((10, 30, 3), dtype=np.uint8)
    wide[:, 10:20] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert (decoded(tmp_path / "wide.png", 10) == 200).all()


def test_a_photo_is_turned_upright_by_its_exif_tag(tmp_path):
    photo = np.zeros((16, 16, 3), dtype=np.uint8)
    photo[:8] = 255  # bright above, stored; the tag says that the camera was turned
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    Image.fromarray(photo).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    upright = decoded(tmp_path / "turned.jpg", 16)
    assert upright[:, 12:].min() > 200
    assert upright[:, :4].max() < 50


@pytest.mark.parametrize("mode, colour, expected", [
    ("L", 90, 90), ("RGBA", (0, 0, 0, 0), 255), ("I;16", 90 * 256, 90), ("CMYK", (0, 0, 0, 165), 90),
])  # fmt: skip
def test_every_mode_becomes_rgb(tmp_path, mode, colour, expected):
    file = tmp_path / ("image.jpg" if mode == "CMYK" else "image.png")
    Image.new(mode, (12, 12), colour).save(file)
    assert np.abs(decoded(file, 12).astype(int) - expected).max() <= 2


RAMP = np.linspace(0, 1, 1600).reshape(40, 40)


@pytest.mark.parametrize("values, form", [
    ((RAMP * 65535).astype(np.int32), "TIFF"), (RAMP.astype(np.float32), "TIFF"), ((RAMP * 4095).astype(np.uint16), "PNG"),
    ((RAMP * 255).astype(np.uint8), "PNG"),
])  # fmt: skip
def test_a_file_is_read_as_an_upload_is(tmp_path, values, form):
    file = tmp_path / "ramp"
    Image.fromarray(values).save(file, form)
    pixels = decoded(file, 40)
    np.testing.assert_array_equal(pixels, photos.read(file.read_bytes(), "ramp").pixels)
    assert abs(pixels.mean() - 127) < 2


def test_a_phone_photo_of_50_megapixels_is_read(tmp_path):
    Image.new("RGB", (8160, 6120), (200, 30, 30)).save(tmp_path / "phone.jpg", quality=40)
    assert np.abs(decoded(tmp_path / "phone.jpg", 32).astype(int) - (200, 30, 30)).max() < 4


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_a_damaged_file_of_any_kind_is_left_out_with_a_reason(tmp_path):
    fill(tmp_path, 10)
    picture = Image.new("RGB", (40, 40), "red")
    odd = Image.Exif()
    odd[0x011A] = 0.5  # a resolution, as a rational number
    picture.save(tmp_path / "cat" / "rational.jpg", exif=odd)
    raw = (tmp_path / "cat" / "rational.jpg").read_bytes()
    (tmp_path / "cat" / "rational.jpg").write_bytes(raw.replace(b"\0\0\0\1\0\0\0\2", bytes(8)))
    (tmp_path / "cat" / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (tmp_path / "dog" / "claims.png").write_bytes(PNG_OF_2500_MEGAPIXELS)
    last = (progressive := encoded(picture, progressive=True)).rfind(b"\xff\xda")
    (tmp_path / "dog" / "scans.jpg").write_bytes(progressive[:-2] + progressive[last:-2] * 200 + progressive[-2:])
    said = []
    sizes = [len(loading.load(recipe(tmp_path), name, report=said.append)) for name in ("train", "validation", "test")]
    told = " ".join(said)
    assert sum(sizes) == 31
    assert "script.png (it is text, not an image" in told
    assert "claims.png (it has 50000 x 50000 pixels; at most 50 million" in told
    assert re.search(r"scans.jpg \(it has 2\d\d scans; at most 100", told)


def test_pictures_of_one_colour_are_named(tmp_path):
    fill(tmp_path, 10)
    for name in COLOURS:
        for file in (tmp_path / name).iterdir():
            Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8)).save(file)
    Image.new("RGB", (9, 9), "white").save(tmp_path / "dog" / "3.png")
    said = []
    for name in ("train", "validation", "test"):
        loading.load(recipe(tmp_path), name, report=said.append)
    (told,) = said
    assert "1 of " in told
    assert "files have a single colour; check them: dog/3.png" in told


def encoded(picture, **options):
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


PNG_OF_2500_MEGAPIXELS = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(bytes(99)))
    + chunk(b"IEND", b"")
)
