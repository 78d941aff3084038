"""Hostile and odd files, each made on the spot: every one is read, or refused in one plain sentence."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kdcore import photos
from kdcore.photos import BadPhoto, decoding, kinds

HALVES = np.zeros((48, 64, 3), np.uint8)  # left red, right blue, a white strip on top
ONE_COLOUR = "All of its pixels have one colour; check the file."
HALVES[:, :32, 0] = HALVES[:, 32:, 2] = HALVES[:8] = 255


def encode(image: Image.Image | np.ndarray, format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, format, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def looks_like_halves(pixels: np.ndarray) -> bool:
    return pixels.shape == HALVES.shape and bool(np.abs(pixels - HALVES.astype(float)).mean() < 6)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "MPO"])
def test_content_decides_not_the_name(format):
    photo = photos.read(encode(HALVES, format), "holiday.txt")
    assert (photo.width, photo.height, photo.pixels.dtype, photo.pixels.shape) == (64, 48, np.uint8, (48, 64, 3))
    assert looks_like_halves(photo.pixels)
    assert photo.notes == ()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_upright(orientation):
    """What a camera that was held so would have stored is undone."""
    flipped = HALVES[:, ::-1]
    turned, mirrored = np.rot90(HALVES), np.rot90(flipped)
    held = [
        HALVES,
        flipped,
        np.rot90(HALVES, 2),
        HALVES[::-1],
        mirrored,
        turned,
        mirrored[::-1, ::-1],
        turned[::-1, ::-1],
    ]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for format in ("JPEG", "TIFF"):
        photo = photos.read(encode(np.ascontiguousarray(held[orientation - 1]), format, exif=exif), "turned.jpg")
        assert (photo.width, photo.height) == (64, 48)
        assert looks_like_halves(photo.pixels)


@pytest.mark.filterwarnings("ignore:Truncated File Read:UserWarning", "ignore:Corrupt EXIF data:UserWarning")
def test_damaged_exif_costs_the_rotation_not_the_photo():
    raw = encode(HALVES, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 40)
    assert photos.read(raw, "x.jpg").width == 64


def test_transparency_lies_on_white():
    image = Image.fromarray(HALVES).convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    grey = Image.new("LA", (32, 32), (90, 0))
    palette = Image.fromarray(HALVES).quantize(4)
    clear_palette = encode(palette, transparency=bytes([0] * 4))
    for raw in (encode(image), encode(grey), clear_palette, encode(image, "WEBP", lossless=True)):
        photo = photos.read(raw, "cut-out.png")
        assert (photo.pixels == 255).all()
        assert photo.notes == ("Transparent parts are shown on white.", ONE_COLOUR)


def test_one_transparent_colour():
    raw = encode(Image.fromarray(HALVES), transparency=(255, 0, 0))
    pixels = photos.read(raw, "x.png").pixels
    assert pixels[20, 10].tolist() == [255, 255, 255]
    assert pixels[20, 50].tolist() == [0, 0, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_modes_of_a_white_picture(mode):
    photo = photos.read(encode(Image.new("RGB", (16, 16), "white").convert(mode)), "white.png")
    assert (photo.pixels == 255).all()
    assert photo.notes == (ONE_COLOUR,)


@pytest.mark.parametrize("mode, format", [("CMYK", "JPEG"), ("CMYK", "TIFF"), ("YCbCr", "TIFF")])
def test_modes_of_printers_and_cameras(mode, format):
    raw = encode(Image.new("RGB", (16, 16), (200, 60, 30)).convert(mode), format)
    np.testing.assert_allclose(photos.read(raw, "x").pixels[8, 8].astype(float), (200, 60, 30), atol=6)


def test_deep_grey_is_stretched_and_says_so():
    ramp = np.tile(np.arange(1000, 1128, dtype=np.uint16), (16, 1))  # 128 of 65,536 steps: black without a stretch
    for raw in (encode(ramp), encode(ramp.astype(np.float32), "TIFF"), encode(ramp.astype(np.int32), "TIFF")):
        photo = photos.read(raw, "scan.tif")
        assert (photo.pixels.min(), photo.pixels.max()) == (0, 255)
        assert "stretched" in photo.notes[0]


def test_values_that_are_no_numbers():
    values = np.full((16, 16), np.nan, np.float32)
    with pytest.raises(BadPhoto, match="none of its values is a number"):
        photos.read(encode(values, "TIFF"), "nan.tif")
    values[4:] = 7
    assert photos.read(encode(values, "TIFF"), "constant.tif").pixels.max() == 7
    values[4:8], values[8:10] = 1e-30, np.inf
    values[10:] = 3e38
    assert photos.read(encode(values, "TIFF"), "far.tif").pixels.max() == 255


def test_a_large_deep_picture_is_stretched_by_a_sample_of_its_values():
    ramp = np.linspace(0, 4095, 1200 * 1000).reshape(1000, 1200).astype(np.uint16)
    assert abs(photos.read(encode(ramp), "scan.png").pixels.mean() - 127) < 2


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_an_animation(format):
    raw = encode(Image.fromarray(HALVES), format, save_all=True, append_images=[Image.new("RGB", (64, 48), "lime")])
    photo = photos.read(raw, "funny.gif")
    assert looks_like_halves(photo.pixels)
    assert photo.notes == ("Animated: the first frame is used.",)


def test_first_page_of_a_scan():
    raw = encode(Image.fromarray(HALVES), "TIFF", save_all=True, append_images=[Image.new("RGB", (64, 48), "lime")])
    photo = photos.read(raw, "scan.tif")
    assert looks_like_halves(photo.pixels)
    assert photo.notes == ("It has several pages; the first is used.",)


def test_large_photos_are_made_smaller():
    noise = np.random.default_rng(0).integers(0, 255, (1500, 2000), np.uint8)
    for raw in (encode(noise, "JPEG"), encode(noise, "PNG", compress_level=0)):
        photo = photos.read(raw, "12mp.jpg", side=256)
        assert (photo.width, photo.height) == (2000, 1500)
        assert photo.pixels.shape == (192, 256, 3)


def test_the_smallest_photo():
    assert photos.read(encode(HALVES[:8, :8].copy()), "icon.png").pixels.shape == (8, 8, 3)


WHOLE = encode(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
JPEG = encode(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8), "JPEG")
REFUSED = {
    "empty": (b"", "is empty"),
    "too many bytes": (WHOLE + b"\0" * (20 * 2**20), r"20\.0 MiB; at most 20 MiB"),
    "one pixel": (encode(HALVES[:1, :1].copy()), "1 x 1 pixels; at least 8 x 8"),
    "strip": (encode(np.zeros((8, 400), np.uint8)), "400 x 8 pixels is too narrow"),
    "bomb": (png_header(50_000, 50_000), "at most 50 million pixels"),
    "bomb just over the limit": (png_header(10_000, 5_001), "at most 50 million pixels"),
    "no pixels": (png_header(0, 0), "cannot be"),
    "truncated PNG": (WHOLE[: len(WHOLE) // 2], "damaged or incomplete"),
    "truncated JPEG": (JPEG[: len(JPEG) // 2], "damaged or incomplete"),
    "bad checksum": (WHOLE[:60] + bytes([WHOLE[60] ^ 255]) + WHOLE[61:-16] + b"\0\0\0\0" + WHOLE[-12:], "damaged"),
    "bad header checksum": (WHOLE[:20] + bytes([WHOLE[20] ^ 255]) + WHOLE[21:], "damaged or missing"),
    "only the first bytes": (WHOLE[:20], "damaged or missing|damaged or incomplete"),
    "text": (
        b"this is not a picture\n" * 9,
        "it is text, not an image. Supported: JPEG, PNG, WebP, AVIF, GIF, BMP and TIFF",
    ),
    "web page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "SVG": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG drawing.*Export it as PNG"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "PDF document"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "text, not an image"),
    "AVIF without pixels": (b"\0\0\0\x20ftypavif\0\0\0\0", "damaged or missing"),
    "video": (b"\0\0\0\x20ftypisom\0\0\0\0", "video"),
    "random bytes": (np.random.default_rng(1).bytes(4096), "not an image in a supported format"),
}


@pytest.mark.parametrize("raw, message", REFUSED.values(), ids=REFUSED)
def test_refused_in_one_plain_sentence(raw, message):
    with pytest.raises(BadPhoto, match=message) as caught:
        photos.read(raw, "cat.png")
    assert str(caught.value).startswith("cat.png cannot be ")
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_never_raise_anything_else(seed):
    random = np.random.default_rng(seed)
    kind = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")[seed % 6]
    raw = bytearray(encode(HALVES, kind))
    for place in random.integers(0, len(raw), 6):
        raw[place] = random.integers(256)
    with contextlib.suppress(BadPhoto):
        assert photos.read(bytes(raw), "x").pixels.dtype == np.uint8


def test_a_name_cannot_carry_a_path_or_control_characters():
    with pytest.raises(BadPhoto, match="^evil.png cannot"):
        photos.read(b"", "..\\..//etc/ev\x1bi\nl.png")
    with pytest.raises(BadPhoto, match="^The file cannot"):
        photos.read(b"", "")


def test_avif_is_read_and_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = photos.read(encode(np.ascontiguousarray(np.rot90(HALVES)), "AVIF", exif=exif, quality=95), "phone.avif")
    assert (photo.width, photo.height) == (64, 48)
    assert looks_like_halves(photo.pixels)


def heic() -> bytes:
    return b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)


def test_heic_without_its_package_says_which_to_install(monkeypatch):
    monkeypatch.setattr(decoding, "_heic_reader", lambda: None)
    with pytest.raises(
        BadPhoto, match="HEIC photo, as iPhones take them.*`pip install pillow-heif`, or export it as JPEG"
    ):
        photos.read(heic(), "IMG_0001.HEIC")


def test_heic_with_its_package_is_read_upright():
    pillow_heif = pytest.importorskip("pillow_heif")
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    pillow_heif.from_pillow(Image.fromarray(np.ascontiguousarray(np.rot90(HALVES)))).save(file, exif=exif.tobytes())
    photo = photos.read(file.getvalue(), "IMG_0001.HEIC")
    assert (photo.width, photo.height) == (64, 48)
    assert looks_like_halves(photo.pixels)
    assert ".heic" not in Image.registered_extensions()  # nothing is registered for the whole process


@pytest.mark.parametrize("brands, kind", [
    (b"avif", "AVIF"), (b"avis", "AVIF"), (b"mif1\0\0\0\0mif1avif", "AVIF"), (b"heic", "HEIC"), (b"mif1\0\0\0\0mif1heic", "HEIC"),
    (b"isom\0\0\0\0isomavc1", ""), (b"qt  ", ""),
])  # fmt: skip
def test_brands_tell_photos_from_videos(brands, kind):
    box = b"ftyp" + brands.ljust(8, b"\0")
    assert kinds.of((4 + len(box)).to_bytes(4, "big") + box) == kind


def twelve_bit_tiff(values: np.ndarray, order: str) -> bytes:
    """An uncompressed grey TIFF of 12 bits a value, written by hand: Pillow writes none. values: [H, W] with W even."""
    height, width = values.shape
    first, second = values.reshape(-1, 2).T.astype(np.uint32)
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], 1).astype(np.uint8).tobytes()
    entries = [(256, 3, width), (257, 3, height), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
               (278, 3, height), (279, 4, len(packed))]  # fmt: skip
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "L", 8 + len(packed))
    table = struct.pack(order + "H", len(entries))
    for tag, kind, value in entries:
        padded = struct.pack(order + "HH", value, 0) if kind == 3 else struct.pack(order + "L", value)
        table += struct.pack(order + "HHL", tag, kind, 1) + padded
    return head + packed + table + bytes(4)


def test_twelve_bit_tiff():
    ramp = np.tile(np.linspace(0, 4095, 64).astype(np.uint16), (48, 1))
    photo = photos.read(twelve_bit_tiff(ramp, "<"), "microscope.tif")
    assert (photo.width, photo.height) == (64, 48)
    assert abs(photo.pixels.mean() - 127) < 2
    with pytest.raises(
        BadPhoto, match="a TIFF of a kind that is not supported, or a damaged one. Save it again as PNG"
    ):
        photos.read(twelve_bit_tiff(ramp, ">"), "microscope.tif")


@pytest.mark.parametrize("kind", ["<u2", ">u2", "<i4", "<f4"])
def test_deep_values_of_either_byte_order(kind):
    """I;16, I;16B, I and F: the same ramp gives the same greys."""
    ramp = np.tile(np.linspace(0, 60_000, 64), (48, 1)).astype(kind)
    file = io.BytesIO()
    (Image.frombytes("I;16B", (64, 48), ramp.tobytes()) if kind == ">u2" else Image.fromarray(ramp)).save(file, "TIFF")
    pixels = photos.read(file.getvalue(), "scan.tif").pixels
    assert np.abs(pixels[5, :, 0].astype(int) - np.linspace(0, 255, 64)).max() <= 4


def with_tag(raw: bytes, tag: int, value: int, instead: int) -> bytes:
    """A little-endian TIFF with another number in a tag."""
    before = struct.pack("<HHLHH", tag, 3, 1, value, 0)
    assert before in raw
    return raw.replace(before, struct.pack("<HHLHH", tag, 3, 1, instead, 0))


@pytest.mark.parametrize("kind", ["<u1", "<u2", "<f4"])
def test_a_tiff_whose_zero_is_white(kind):
    """As scanners and microscopes write it (PhotometricInterpretation 0)."""
    ramp = np.tile(np.linspace(0, 255, 64), (48, 1)).astype(kind)
    raw = with_tag(encode(Image.fromarray(ramp), "TIFF"), 262, 1, 0)
    pixels = photos.read(raw, "scan.tif").pixels
    assert np.abs(pixels[5, :, 0].astype(int) - np.linspace(255, 0, 64)).max() <= 4


def test_unsigned_values_of_32_bits():
    """Pillow reads them as signed, so that those from 2^31 on would be black."""
    ramp = np.tile(np.linspace(0, 4.2e9, 64), (48, 1)).astype(np.uint32)
    raw = with_tag(encode(Image.fromarray(ramp.view(np.int32)), "TIFF"), 339, 2, 1)
    pixels = photos.read(raw, "scan.tif").pixels
    assert np.abs(pixels[5, :, 0].astype(int) - np.linspace(0, 255, 64)).max() <= 4


@pytest.mark.parametrize(
    "start, words",
    [
        (b"\0\0\0\x0cjP  \r\n\x87\n", "it is a JPEG 2000 image, which is not supported. Save it as PNG or JPEG"),
        (b"8BPS\0\1", "it is a Photoshop file"),
        (b"\xff\x0a\xfa", "it is a JPEG XL image"),
        (b"\x93NUMPY\1\0", "it is a NumPy array"),
        (b"PK\3\4", "it is a ZIP archive, which is not supported. Unpack it first"),
    ],
)
def test_other_formats_are_named(start, words):
    with pytest.raises(BadPhoto, match=words):
        photos.read(start + bytes(100), "picture.png")


def rational_exif(order: str = "MM") -> bytes:
    """EXIF with an orientation of 6 and two resolutions whose denominators are 0."""
    mark = ">" if order == "MM" else "<"
    head = order.encode() + struct.pack(mark + "HL", 42, 8)
    entries = [(0x0112, 3, 1, struct.pack(mark + "HH", 6, 0)), (0x011A, 5, 1, struct.pack(mark + "L", 50)),
               (0x011B, 5, 1, struct.pack(mark + "L", 58))]  # fmt: skip
    table = b"".join(struct.pack(mark + "HHL", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0" + head + struct.pack(mark + "H", 3) + table + bytes(4) + struct.pack(mark + "LLLL", 72, 0, 0, 0)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("cut", [None, 30, 20, 12])
@pytest.mark.parametrize("order", ["MM", "II"])
def test_damaged_exif_never_costs_the_photo(order, cut):
    photo = photos.read(encode(HALVES, "JPEG", exif=rational_exif(order)[:cut], quality=95), "phone.jpg")
    assert sorted(photo.pixels.shape[:2]) == [48, 64]
