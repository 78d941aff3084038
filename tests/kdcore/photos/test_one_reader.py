"""An upload and a file of a folder are read by the same reader: equal pixels in every mode and format that Pillow writes."""

import io

import numpy as np
import pytest
from PIL import Image

from kdcore import photos
from kdcore.data.folders import checking

SIDE = 24
RAMP = np.tile(np.linspace(0, 255, SIDE), (SIDE, 1))
COLOUR = Image.fromarray(np.stack([RAMP, RAMP.T, np.full_like(RAMP, 60)], -1).astype(np.uint8))
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "MPO")


def picture(mode):
    if mode == "I;16":
        return Image.fromarray((RAMP * 257).astype(np.uint16))
    if mode == "I;16B":
        return Image.frombytes("I;16B", (SIDE, SIDE), (RAMP * 257).astype(">u2").tobytes())
    if mode == "F":
        return Image.fromarray(RAMP.astype(np.float32))
    if mode == "I":
        return Image.fromarray((RAMP * 257).astype(np.int32))
    if mode == "LAB":
        return COLOUR.convert("LAB")
    return COLOUR.convert("RGBA").convert(mode) if mode in ("RGBA", "LA") else COLOUR.convert(mode)


def encoded(mode, form, **options):
    file = io.BytesIO()
    picture(mode).save(file, form, **options)
    return file.getvalue()


def both(raw, path):
    path.write_bytes(raw)
    return photos.read(raw, "upload").pixels, checking.decoded(path, SIDE)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB", "HSV", "YCbCr", "I", "I;16", "I;16B", "F"]
)
def test_every_mode_and_format(mode, tmp_path):
    written = 0
    for form in FORMATS:
        if (mode, form) == ("F", "PPM"):
            continue  # a PFM, which is refused
        try:
            raw = encoded(mode, form)
        except (OSError, ValueError, KeyError, SystemError):  # this format has no such mode
            continue
        uploaded, decoded = both(raw, tmp_path / "image")
        np.testing.assert_array_equal(uploaded, decoded)
        assert not photos.one_colour(decoded)
        written += 1
    assert written


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "TIFF", "PNG", "WEBP", "AVIF"])
def test_every_orientation(form, orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    uploaded, decoded = both(encoded("RGB", form, exif=exif), tmp_path / "image")
    np.testing.assert_array_equal(uploaded, decoded)


def test_transparency_of_a_palette(tmp_path):
    uploaded, decoded = both(encoded("P", "PNG", transparency=0), tmp_path / "image")
    np.testing.assert_array_equal(uploaded, decoded)
