"""Uploads are decoded in processes of their own: with slow, greedy and crashing decoders, each ended within its limit."""

import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image

from kdcore import photos
from kdcore.photos import BadPhoto, Busy, Cancelled, Workers

# A decoder that does what the photo's name says.
ODD = """
import ctypes, os, time
from kdcore.photos import process
usual = process.read
def read(raw, name, side):
    if name == "sleeps": time.sleep(600)
    while name == "spins": pass
    if name == "crashes": ctypes.string_at(0)
    if name == "exits": os._exit(3)
    if name == "prints": os.write(1, b"a codec's own words")
    if name == "eats": name = str(len(bytearray(3 << 30)))
    return usual(raw, name, side)
process.read = read
process.CPU_SECONDS = 1
process.main()
"""


def encode(image: Image.Image, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


PHOTO = encode(Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)))
Make = Callable[..., Workers]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Workers] = []

    def one(**settings: float) -> Workers:
        made.append(Workers([sys.executable, "-c", ODD], **({"count": 1, "seconds": 60} | settings)))
        return made[-1]

    yield one
    for workers in made:
        workers.close()


@pytest.fixture
def workers(make: Make) -> Workers:
    return make()


def pid(workers: Workers) -> int:
    (worker,) = workers._idle
    return worker.process.pid


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_reads_as_in_this_process():
    here, there = photos.read(PHOTO, "a/b.png", side=32), photos.read_upload(PHOTO, "a/b.png", side=32)
    np.testing.assert_array_equal(there.pixels, here.pixels)
    there.pixels[0] = 0  # it may be written to
    assert (there.width, there.height, there.name, there.notes) == (here.width, here.height, "b.png", ())


def test_refuses_in_the_same_words_and_keeps_its_process(workers: Workers):
    workers.read(PHOTO, "x")
    before = pid(workers)
    for raw, says in (
        (b"", "x.png cannot be used: the file is empty"),
        (b"text", "x.png cannot be used: it is text, not an image"),
        (PHOTO[:900], "x.png cannot be read: the file is damaged or incomplete"),
        (PHOTO + bytes(20 << 20), r"x.png cannot be used: the file has 20.0 MiB; at most 20 MiB"),
    ):
        with pytest.raises(BadPhoto, match=says):
            workers.read(raw, "x.png")
    assert pid(workers) == before


def test_large_files_go_through(workers: Workers):
    noise = np.random.default_rng(0).integers(0, 255, (2500, 2500, 3), np.uint8)
    photo = workers.read(encode(Image.fromarray(noise), "BMP"), "noise.bmp", side=2500)
    np.testing.assert_array_equal(photo.pixels, noise)


def test_a_decoder_that_takes_too_long_is_ended(make: Make):
    workers = make(seconds=0.5)
    workers.warm()
    before = pid(workers)
    with pytest.raises(
        BadPhoto, match="sleeps cannot be used: it takes longer than 0.5 seconds to decode. Make it smaller, or save"
    ):
        workers.read(PHOTO, "sleeps")
    assert gone(before)
    assert pid(workers) != before  # the next one is started already


@pytest.mark.parametrize("name", ["crashes", "exits"])
def test_a_decoder_that_stops_costs_one_photo_and_one_sentence(workers: Workers, name: str):
    with pytest.raises(BadPhoto, match=f"{name} cannot be used: its decoder stopped") as caught:
        workers.read(PHOTO, name)
    assert "\n" not in str(caught.value)


def test_the_next_photo_after_a_crash_is_read(workers: Workers):
    for name in ("crashes", "exits", "crashes"):
        with pytest.raises(BadPhoto, match="its decoder stopped"):
            workers.read(PHOTO, name)
        assert workers.read(PHOTO, "fine").width == 60


def test_memory_is_bounded(workers: Workers):
    with pytest.raises(BadPhoto, match="decoder stopped, as it does for lack of memory"):
        workers.read(PHOTO, "eats")
    assert workers.read(PHOTO, "fine").width == 60


def test_the_processor_is_bounded_though_nobody_looks(make: Make):
    workers = make(seconds=30)
    with pytest.raises(BadPhoto, match="spins cannot be used: it takes longer than"):
        workers.read(PHOTO, "spins")


def test_what_a_codec_prints_is_no_answer(workers: Workers):
    assert workers.read(PHOTO, "prints").width == 60


def test_a_process_that_was_killed_meanwhile_is_replaced(workers: Workers):
    workers.read(PHOTO, "x")
    (worker,) = workers._idle
    worker.process.kill()
    worker.process.wait()
    assert workers.read(PHOTO, "x").width == 60


def test_a_photo_that_nobody_wants_is_ended(workers: Workers):
    workers.warm()
    before, started = pid(workers), time.monotonic()
    with pytest.raises(Cancelled):
        workers.read(PHOTO, "sleeps", wanted=lambda: time.monotonic() - started < 0.3)
    assert gone(before)
    assert workers.read(PHOTO, "next").width == 60


def test_what_ends_the_waiting_thread_ends_the_process(workers: Workers):
    """As Streamlit ends a script, with an exception that is no Exception."""

    class Ended(BaseException):
        pass

    def wanted() -> bool:
        raise Ended

    workers.warm()
    before = pid(workers)
    with pytest.raises(Ended):
        workers.read(PHOTO, "sleeps", wanted=wanted)
    assert gone(before)
    assert workers.read(PHOTO, "next").width == 60


def test_others_wait_for_their_turn_and_are_told_where_it_takes_too_long(make: Make):
    workers = make(patience=0.3, waiting=1)
    stop = threading.Event()

    def hold() -> None:
        with pytest.raises(Cancelled):
            workers.read(PHOTO, "sleeps", wanted=lambda: not stop.is_set())

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        while not workers._busy:
            time.sleep(0.01)
        with pytest.raises(Busy, match="x.png has to wait: many photos are being decoded. Try again in a moment"):
            workers.read(PHOTO, "x.png")
        with pytest.raises(Cancelled):
            workers.read(PHOTO, "x.png", wanted=lambda: False)
    finally:
        stop.set()
        holder.join()
    assert workers.read(PHOTO, "x.png").width == 60


def test_where_no_process_can_be_started_it_says_so():
    with pytest.raises(Busy, match="x cannot be read now: no process could be started"):
        Workers(["/nowhere/python"]).read(PHOTO, "x")


def test_closing_ends_all_and_a_later_photo_starts_anew(workers: Workers):
    workers.warm()
    before = pid(workers)
    workers.close()
    assert gone(before)
    assert workers.read(PHOTO, "later").width == 60
