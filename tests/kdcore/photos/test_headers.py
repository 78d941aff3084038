"""Small files that would take hours or all memory to decode: each is refused from its structure, before it is decoded."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from kdcore import photos
from kdcore.photos import BadPhoto
from tests import program

CPU_SECONDS = 30.0  # none takes one; decoded, or counted in quadratic time, they take minutes
NOISE = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)


def encode(image: Image.Image | np.ndarray, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, form, **options)
    return file.getvalue()


def many_scans(count: int, size: tuple[int, int] = (64, 64)) -> bytes:
    """A progressive JPEG whose last scan comes `count` times more."""
    raw = encode(Image.new("RGB", size, "teal"), "JPEG", progressive=True)
    last = raw.rfind(b"\xff\xda")
    return raw[:-2] + raw[last:-2] * count + raw[-2:]


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def tiff(*tags: tuple[int, int, int, int]) -> bytes:
    """A TIFF with these tags (number, type, count, value) and nothing else."""
    entries = b"".join(struct.pack("<HHLL", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<LH", 8, len(tags)) + entries + struct.pack("<L", 0)


PNG, JPEG, GIF = (encode(NOISE, form) for form in ("PNG", "JPEG", "GIF"))
FIRST_FRAME = GIF[:-1]
BOMBS = {
    "thousands of scans": (lambda: many_scans(5_000), "it has 5,0.. scans; at most 100 are accepted. Save it again as an ordinary JPEG"),
    "scans of many pixels": (lambda: many_scans(70, (6000, 6000)), "scans of 36 million pixels; at most 55 are accepted"),
    "segments of nothing": (lambda: JPEG[:2] + b"\xff\xfe\0\2" * 1_000_000 + JPEG[2:], "more data before its pixels"),
    "junk between segments": (lambda: JPEG[:20] + b"\0" * 5_000_000 + JPEG[20:], "more data before its pixels"),
    "an end, and segments behind it": (
        lambda: JPEG[:2] + b"\xff\xd9" + b"\xff\xfe\0\2" * 1_000_000 + JPEG[2:],
        "damaged or incomplete",
    ),
    "chunks of nothing": (lambda: PNG[:33] + chunk(b"teSt") * 1_000_000 + PNG[33:], "more than 50,000 chunks"),
    "text that unpacks": (
        lambda: PNG[:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000))) + PNG[33:],
        "text or colour profile is too large. Save it again without metadata",
    ),
    "blocks of one byte": (lambda: FIRST_FRAME + b"!\xfe" + b"\1a" * 5_000_000 + b"\0;", "more than 200,000 blocks"),
    "WebP of 16,000 x 16,000": (
        lambda: b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + b"\x7f\x3e\0" * 2,
        "16000 x 16000 pixels; at most 50 million pixels",
    ),
    "strips without end": (lambda: tiff((256, 4, 1, 64), (257, 4, 1, 64), (273, 4, 5_000_000, 8)), "5,000,000 strips or tiles"),
    "one huge tile": (
        lambda: tiff((256, 4, 1, 64), (257, 4, 1, 64), (322, 4, 1, 100_000), (323, 4, 1, 100_000), (324, 4, 1, 8)),
        "tiles have 100000 x 100000 pixels",
    ),
    "tags without end": (lambda: b"II*\0" + struct.pack("<LH", 8, 60_000) + bytes(12 * 60_000), "60,000 tags"),
    "comments among pixels": (lambda: b"P3\n64 64\n255\n" + b"#\n" * 5_000_000 + b"1 2 3 " * 4096, "more comments than programs write"),
    "a comment without end": (lambda: b"P6\n#" + b"c" * 15_000_000 + b"\n64 64\n255\n" + bytes(12_288), "more comments"),
    "JPEG of 65,000 x 65,000": (
        lambda: JPEG[: JPEG.find(b"\xff\xc0") + 5] + b"\xfd\xe8\xfd\xe8" + JPEG[JPEG.find(b"\xff\xc0") + 9 :],
        "65000 x 65000 pixels; at most 120 million pixels are accepted",
    ),
}  # fmt: skip


@pytest.mark.parametrize("make, message", BOMBS.values(), ids=BOMBS)
def test_is_refused_at_once(make, message):
    raw = make()
    assert len(raw) < photos.MAX_MIB * 2**20
    started = time.process_time()
    with pytest.raises(BadPhoto, match=message):
        photos.read(raw, "bomb")
    assert time.process_time() - started < CPU_SECONDS


def test_scans_are_counted_in_time_in_proportion_to_the_length():
    """Stuffed bytes, and what looks like a marker everywhere."""
    for filling in (b"\xff\x00", b"\xff\xff", b"\xff\xd0", b"\xff\xda"):
        raw = JPEG[:-2] + filling * 9_000_000 + b"\xff\xd9"
        started = time.process_time()
        try:
            photos.headers.too_many_scans(raw, 1)
        finally:
            assert time.process_time() - started < CPU_SECONDS


def test_a_film_behind_a_photo_is_no_scan():
    """Telephones append a short film, in whose bytes anything may lie."""
    assert photos.read(JPEG + b"\xff\xda\0\2" * 1_000, "moving.jpg").width == 64


def test_what_encoders_write_is_taken():
    ordinary = encode(NOISE, "JPEG", progressive=True)
    assert photos.read(ordinary, "web.jpg").width == photos.read(many_scans(50), "odd.jpg").width == 64


@pytest.mark.parametrize("kind", [b"P5", b"P6"])
def test_pixels_that_look_like_a_header_or_a_comment_are_pixels(kind):
    for value in b"#5 ":
        raw = kind + b"\n# made by a camera\n300 300\n255\n" + bytes([value]) * (90_000 if kind == b"P5" else 270_000)
        assert photos.read(raw, "plain.ppm").pixels[0, 0, 0] == value


def test_a_phone_photo_of_50_megapixels_is_read_at_a_fraction():
    raw = encode(Image.new("RGB", (8160, 6120), (200, 30, 30)), "JPEG", quality=40)
    photo = photos.read(raw, "phone.jpg", side=256)
    assert (photo.width, photo.height, photo.pixels.shape) == (8160, 6120, (192, 256, 3))


@pytest.mark.parametrize(
    "start", [b"%!PS-Adobe-3.0 EPSF-3.0\n", b"8BPS\0\1", b"\0\0\1\0\1\0", b"qoif", b"\0\0\0\x0cjP  "]
)
def test_formats_that_no_photo_has_are_never_tried(start):
    """Some start other programs: PostScript's reader starts Ghostscript."""
    with pytest.raises(BadPhoto, match="Supported: JPEG, PNG, WebP, AVIF, GIF, BMP and TIFF"):
        photos.read(start + bytes(4096), "x.png")


def test_nothing_is_set_for_the_whole_process(monkeypatch):
    """Who else uses Pillow changes nothing here either."""
    code = (
        "import warnings, kdcore.data.loading; from PIL import Image; before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)\n"
        "import kdcore.photos, kdcore.data.datasets.folder\n"
        "assert (Image.MAX_IMAGE_PIXELS, warnings.filters) == before, 'changed'"
    )
    assert program.ran(code) == [(0, "")]
    raw = encode(Image.new("L", (100, 100)), "PNG")
    for limit in (10, None):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert photos.read(raw, "x.png").width == 100
