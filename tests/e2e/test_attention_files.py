"""Files of every kind through the upload of the Attention page: each is shown, or the page says what came and what to do."""

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from kdcore.data.datasets.cues import drawn
from kdcore.data.drawing import SHAPES
from pages.parts.attention import samples
from tests.e2e.conftest import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SAMPLES = len(samples.found())  # those of scikit-image where it is installed
COLOURS = "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"


@dataclass(frozen=True)
class Odd:
    """A file and what becomes of it: `says` is in the refusal, or in the note under a photo that is taken."""

    name: str
    raw: bytes
    says: str
    taken: bool = False


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    packed = io.BytesIO()
    image.save(packed, form, **options)
    return packed.getvalue()


def picture(colour: str = "teal", size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A square of a colour on grey, so that it is not the same everywhere."""
    made = Image.new("RGB", size, (120, 120, 120))
    made.paste(colour, (0, 0, size[0] // 2, size[1] // 2))
    return made


def png_of(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims any size."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", zlib.compress(b"\0" * 99)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def corrupt(raw: bytes) -> bytes:
    """The same file with bytes in its middle turned round."""
    middle = len(raw) // 2
    return raw[:middle] + bytes(255 - byte for byte in raw[middle : middle + 40]) + raw[middle + 40 :]


def odd_files() -> list[Odd]:
    """Twenty-four: what people, cameras and attackers upload."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8))
    ramp = Image.fromarray(np.tile(np.arange(0, 9600, 100, dtype=np.uint16), (64, 1)))
    held = Image.Exif()
    held[0x0112] = 6
    other = picture("orange")
    clear = picture().quantize(8)
    return [
        Odd("empty.jpg", b"", "the file is empty"),
        Odd("truncated.jpg", encoded(noise, "JPEG")[:1500], "damaged or incomplete"),
        Odd("header-only.jpg", encoded(noise, "JPEG")[:12], "damaged or incomplete"),
        Odd("bomb.png", png_of(10_000, 10_000), "at most 50 million pixels"),
        Odd("damaged.png", corrupt(encoded(noise, "PNG")), "damaged or incomplete"),
        Odd("dot.png", encoded(picture(size=(1, 1)), "PNG"), "1 x 1 pixels; at least 8 x 8"),
        Odd("line.png", encoded(picture(size=(1, 5000)), "PNG"), "1 x 5000 pixels; at least 8 x 8"),
        Odd("strip.png", encoded(picture(size=(20, 4000)), "PNG"), "too narrow for a square crop"),
        Odd("iphone.jpg", b"\0\0\0\x18ftypheic" + bytes(200), "a HEIC photo, as iPhones take them"),
        Odd("letter.jpg", b"Dear Sir or Madam, this is a letter.", "it is text, not an image"),
        Odd("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "an SVG drawing"),
        Odd("paper.png", b"%PDF-1.7\n" + bytes(300), "it is a PDF document"),
        Odd("page.jpg", b"<!doctype html><title>404</title>", "it is a web page"),
        Odd("clip.gif", b"\0\0\0\x18ftypmp42" + bytes(200), "it is a video"),
        Odd("<b onclick=alert(1)>*_naïve_* 東京 $x$ [a](b).jpg", b"no picture", "it is text, not an image"),
        Odd("printer.jpg", encoded(picture().convert("CMYK"), "JPEG"), "", taken=True),
        Odd("scan16.png", encoded(ramp, "PNG"), "16-bit or float values are stretched", taken=True),
        Odd("clear.png", encoded(clear, "PNG", transparency=bytes([0] * 8)), "Transparent parts are shown on white", taken=True),
        Odd("funny.gif", encoded(picture(), "GIF", save_all=True, append_images=[other]), "the first frame is used", taken=True),
        Odd("pages.tif", encoded(picture(), "TIFF", save_all=True, append_images=[other]), "several pages; the first is used", taken=True),
        Odd("turned.jpg", encoded(picture(), "JPEG", exif=held), "", taken=True),
        Odd("really-a-png.txt", encoded(picture("navy"), "PNG"), "", taken=True),
        Odd("modern.webp", encoded(picture("olive"), "WEBP"), "", taken=True),
        Odd("東京 & <i>ünïcode " + "x" * 120 + ".png", encoded(picture("pink"), "PNG"), "", taken=True),
    ]  # fmt: skip


def upload(page: Page, files: Sequence[Path | tuple[str, bytes]]) -> None:
    chosen = [
        each if isinstance(each, Path) else {"name": each[0], "mimeType": "application/octet-stream", "buffer": each[1]}
        for each in files
    ]
    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(chosen)  # type: ignore[arg-type]


def strip(page: Page) -> Locator:
    return page.get_by_role("group", name="Photos").get_by_role("button")


def look_at(page: Page, name: str) -> list[str]:
    """Choose a photo of the strip, see that every network's map is drawn; what each network answers first."""
    page.get_by_role("group", name="Photos").get_by_title(name, exact=True).click()
    expect(page.locator("figure.photo .name")).to_have_text(name)
    networks = page.locator("figure", has=page.locator(".answers"))
    expect(networks).to_have_count(3)
    for canvas in networks.locator("canvas").all():
        assert canvas.evaluate(COLOURS) > 20, f"A heatmap over {name} is empty."
    return [each.inner_text() for each in networks.locator(".answers li:first-child span:first-child").all()]


def test_each_of_many_odd_files_is_shown_or_refused_with_a_way_out(shared_server: Server, visit):
    files = odd_files()
    taken, refused = [odd for odd in files if odd.taken], [odd for odd in files if not odd.taken]
    page = visit(f"{shared_server.url}/attention")
    upload(page, [(odd.name, odd.raw) for odd in files])
    expect(strip(page)).to_have_count(len(taken) + SAMPLES)

    expect(
        page.get_by_text(f"{len(refused)} of {len(files)} files cannot be used; the others were added.")
    ).to_be_visible()
    page.get_by_text("Why, file by file").click()
    reasons = page.get_by_test_id("stExpanderDetails").get_by_role("listitem")
    expect(reasons).to_have_count(len(refused))
    for reason, odd in zip(reasons.all(), refused, strict=True):
        expect(reason).to_contain_text(f"{odd.name} cannot be ")  # a name is never taken for markdown or HTML
        expect(reason).to_contain_text(odd.says)

    for odd in taken:
        look_at(page, odd.name[:80])
        if odd.says:
            expect(page.get_by_text(odd.says)).to_be_visible()


def test_a_file_that_is_too_large_is_refused_before_it_travels_and_the_other_is_taken(
    shared_server: Server, visit, tmp_path: Path
):
    huge, small = tmp_path / "huge.jpg", tmp_path / "small.png"
    huge.write_bytes(bytes(21 * 2**20))
    small.write_bytes(encoded(picture(), "PNG"))
    page = visit(f"{shared_server.url}/attention")
    upload(page, [huge, small])
    expect(page.get_by_text("File must be 20.0MB or smaller.")).to_be_visible()
    look_at(page, "small.png")


def test_ten_photos_in_two_uploads_at_once_are_all_there_and_named(shared_server: Server, visit, real_data: Path):
    photos = sorted((real_data / "upload-images").glob("*.jpg"))
    page = visit(f"{shared_server.url}/attention")
    upload(page, photos[:5])
    upload(page, photos[5:])  # before the first five are answered
    expect(strip(page)).to_have_count(len(photos) + SAMPLES)
    named = {photo.name.partition("__")[0]: look_at(page, photo.name)[0] for photo in photos}
    assert sum(true == said for true, said in named.items()) >= 8, named  # the deer is no deer, see the data's README


def test_pictures_whose_texture_is_another_shapes_are_named_by_their_shape(shared_server: Server, visit):
    conflicts = drawn("cue_conflict", 4, 64, 0, 0.1)["images"]
    page = visit(f"{shared_server.url}/attention?networks=Cues")
    upload(page, [(f"conflict-{i}.png", encoded(Image.fromarray(pixels), "PNG")) for i, pixels in enumerate(conflicts)])
    named = [look_at(page, f"conflict-{i}.png")[0] for i in range(len(conflicts))]
    assert named == list(SHAPES)[: len(conflicts)]  # by the teacher
