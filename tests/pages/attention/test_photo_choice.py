"""What a visitor brings is decoded apart, and no longer than the visitor stays."""

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.testing.v1 import AppTest, local_script_runner

from kdcore import photos
from pages.parts.attention import photo_choice
from pages.parts.components.photo_paste import photo_paste


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 24), "teal").save(file, "PNG")
    return file.getvalue()


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    st.cache_data.clear()


def offered() -> None:
    import streamlit as st

    from pages.parts.attention.photo_choice import offer_photos

    st.session_state["found"] = offer_photos()


def read_by(reader: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "read_upload", reader)


def test_uploads_pasted_pictures_and_the_camera_are_decoded_apart(monkeypatch):
    apart: list[str] = []

    def reader(raw: bytes, name: str, **settings: Any) -> photos.Photo:
        apart.append(name)
        return photos.Photo(np.zeros((24, 32, 3), np.uint8), 32, 24, name)

    read_by(reader, monkeypatch)
    monkeypatch.setattr(photo_choice, "photo_paste", picture)
    monkeypatch.setattr(st, "camera_input", lambda *_, **__: io.BytesIO(picture() + b"."))
    monkeypatch.setattr(photo_choice.st, "popover", lambda *_, **__: OpenBox())
    at = AppTest.from_function(offered).run()
    at.file_uploader[0].set_value([("mine.png", picture(), "image/png")]).run()
    assert not at.exception
    assert set(apart) == {"mine.png", "pasted", "camera"}


class OpenBox:
    open = True

    def __enter__(self) -> "OpenBox":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_that_too_many_are_being_read_is_not_remembered(monkeypatch):
    def busy(raw: bytes, name: str, **settings: Any) -> photos.Photo:
        raise photos.Busy(f"{name} has to wait: many photos are being decoded.")

    with monkeypatch.context() as now:
        read_by(busy, now)
        assert photo_choice._read("id", "x.png", picture) == "x.png has to wait: many photos are being decoded."
    assert photo_choice._read("id", "x.png", picture).pixels.shape == (24, 32, 3)


def test_a_refusal_is_remembered(monkeypatch):
    decoded: list[str] = []

    def slow(raw: bytes, name: str, **settings: Any) -> photos.Photo:
        decoded.append(name)
        raise photos.BadPhoto(f"{name} cannot be used: it takes longer than 10 seconds to decode.")

    read_by(slow, monkeypatch)
    for _ in range(2):
        assert "takes longer" in photo_choice._read("id", "x.png", picture)
    assert decoded == ["x.png"]


def test_a_script_that_is_stopped_waits_for_no_photo(monkeypatch):
    """As when its tab is closed: the look at whether the photo is wanted raises what ends the script."""
    ended: list[str] = []

    def reader(raw: bytes, name: str, *, side: int, wanted: Callable[[], bool]) -> photos.Photo:
        assert wanted()
        get_script_run_ctx().script_requests.request_stop()
        try:
            wanted()
        except BaseException as error:
            ended.append(type(error).__name__)
            raise
        raise AssertionError("it waits on")

    read_by(reader, monkeypatch)
    at = AppTest.from_function(offered).run()
    at.file_uploader[0].set_value([("mine.png", picture(), "image/png")]).run()
    assert ended == ["StopException"]


def test_a_pasted_picture_that_is_too_large_is_refused_and_not_kept(monkeypatch):
    monkeypatch.setattr(photo_choice, "photo_paste", lambda: bytes(21 << 20))
    at = AppTest.from_function(offered).run()
    (refused,) = at.session_state["found"][1]
    assert "pasted cannot be used" in refused.replace("\\", "")
    assert "the file has 21.0 MiB; at most 20 MiB are accepted. Make it smaller first." in refused.replace("\\", "")
    assert at.session_state["taken_photos"] == {}


@pytest.mark.parametrize("pasted, found", [
    ("data:image/jpeg;base64," + base64.b64encode(b"raw").decode(), b"raw"), ("data:image/jpeg;base64,~~", None),
    ("data:image/jpeg;base64,ä", None), ("", None),
])  # fmt: skip
def test_what_is_pasted_is_bytes_or_nothing(monkeypatch, pasted, found):
    monkeypatch.setattr(photo_paste, "_component", lambda **_: type("Said", (), {"pasted": pasted}))
    assert photo_paste.photo_paste() == found


def pages() -> None:
    """Two pages, and the photos that the first offers."""
    import streamlit as st

    from pages.parts.attention.photo_choice import choose_photo, offer_photos

    if st.checkbox("another page"):
        return
    offered, _ = offer_photos()
    st.session_state["chosen"] = choose_photo(offered, lambda: "")
    st.session_state["found"] = offered


def mine(at: AppTest) -> list[str]:
    return [photo.name for photo in at.session_state["found"] if not photo.sample]


@pytest.fixture
def _one_storage(monkeypatch):
    """Streamlit's test runner has new storage for each run of a page; the server has one."""
    storage = MemoryUploadedFileManager("/mock/upload")
    monkeypatch.setattr(local_script_runner, "MemoryUploadedFileManager", lambda endpoint: storage)


@pytest.mark.usefixtures("_one_storage")
def test_uploads_stay_when_the_page_changes_until_they_are_removed():
    at = AppTest.from_function(pages, default_timeout=60).run()
    at.file_uploader[0].set_value([(f"{i}.png", picture() + bytes(i), "image/png") for i in range(10)]).run()
    assert len(mine(at)) == 10
    at.checkbox[0].check().run()
    at.checkbox[0].uncheck().run()
    assert mine(at) == [f"{i}.png" for i in range(10)]
    assert at.file_uploader[0].value == []
    at.button(key="remove-photos").click().run()
    assert mine(at) == []
    assert not at.exception
    assert not [button for button in at.button if button.key == "remove-photos"]


def gone(at: AppTest) -> bool:
    return any("Your own photos are not here any more" in each.value for each in at.caption)


@pytest.mark.usefixtures("_one_storage")
def test_a_visit_that_a_reload_begins_says_that_the_photos_are_gone():
    at = AppTest.from_function(pages, default_timeout=60).run()
    at.file_uploader[0].set_value([("a.png", picture(), "image/png"), ("b.png", picture() + b".", "image/png")]).run()
    assert not gone(at)
    at.query_params["photo"] = "cues-heart.png"  # a sample is looked at when the page is loaded again
    again = AppTest.from_function(pages, default_timeout=60)
    for name in at.run().query_params:
        again.query_params[name] = at.query_params[name]
    assert gone(again.run())
    again.file_uploader[0].set_value([("a.png", picture(), "image/png")]).run()
    assert not gone(again)
    again.button(key="remove-photos").click().run()
    assert not gone(again)  # removed on purpose


@pytest.mark.usefixtures("_one_storage")
def test_a_file_removed_from_the_list_is_gone():
    at = AppTest.from_function(pages, default_timeout=60).run()
    at.file_uploader[0].set_value([("a.png", picture(), "image/png"), ("b.png", picture() + b".", "image/png")]).run()
    at.file_uploader[0].set_value([("b.png", picture() + b".", "image/png")]).run()
    assert mine(at) == ["b.png"]


def chosen_of(at: AppTest) -> tuple[list[str], list[str], str]:
    """Names and ids of the visitor's photos, and the name of the one that is drawn."""
    own = [photo for photo in at.session_state["found"] if not photo.sample]
    return [photo.name for photo in own], [photo.id for photo in own], at.session_state["chosen"].name


@pytest.mark.usefixtures("_one_storage")
@pytest.mark.parametrize("names", [("a.png", "b.png", "c.png"), ("a.png", "a.png", "a.png")])
def test_each_of_several_equal_photos_can_be_chosen(names):
    at = AppTest.from_function(pages, default_timeout=60).run()
    at.file_uploader[0].set_value([(name, picture(), "image/png") for name in names]).run()
    found, ids, _ = chosen_of(at)
    assert found == list(names)
    assert ids == [ids[0], f"{ids[0]}-2", f"{ids[0]}-3"]
    for place, photo_id in enumerate(ids):
        at.query_params["photo"] = photo_id
        at.run()
        assert at.session_state["chosen"].id == photo_id
        assert at.session_state["chosen"].name == names[place]


@pytest.mark.usefixtures("_one_storage")
def test_an_equal_photo_that_comes_or_goes_leaves_the_address_of_the_others():
    at = AppTest.from_function(pages, default_timeout=60).run()
    at.file_uploader[0].set_value([("a.png", picture(), "image/png"), ("b.png", picture(), "image/png")]).run()
    (a, b) = chosen_of(at)[1]
    at.checkbox[0].check().run()
    at.checkbox[0].uncheck().run()
    at.file_uploader[0].set_value([("c.png", picture(), "image/png")]).run()  # of a new list, which stands first
    assert chosen_of(at) == (["c.png", "a.png", "b.png"], [f"{a}-3", a, b], "c.png")
    at.query_params["photo"] = b
    at.run()
    assert chosen_of(at)[2] == "b.png"
    at.file_uploader[0].set_value([]).run()
    assert chosen_of(at) == (["a.png", "b.png"], [a, b], "b.png")


@pytest.mark.usefixtures("_one_storage")
def test_a_photo_that_was_removed_is_chosen_when_it_comes_again():
    at = AppTest.from_function(pages, default_timeout=60).run()
    for name in ("a.png", "b.png"):
        at.file_uploader[0].set_value([(name, picture(), "image/png")]).run()
        assert chosen_of(at)[2] == name
        at.button(key="remove-photos").click().run()
        assert mine(at) == []
        at.query_params["photo"] = "cues-heart.png"
        at.run()


def test_photos_that_wait_for_the_quota_are_not_called_unusable(monkeypatch):
    def one_a_minute(raw: bytes, name: str, **settings: Any) -> photos.Photo:
        if taken or raw == b"x":
            raise photos.Busy(f"{name} has to wait: 1 photo a minute is read for one visit. Try again in 42 s.")
        taken.append(name)
        return photos.Photo(np.zeros((24, 32, 3), np.uint8), 32, 24, name)

    taken: list[str] = []
    read_by(one_a_minute, monkeypatch)
    at = AppTest.from_function(offered_and_refused).run()
    at.file_uploader[0].set_value([(f"{n}.png", picture() + bytes([n]), "image/png") for n in range(6)]).run()
    assert not at.exception
    assert not at.warning
    (told,) = at.info
    assert told.value.startswith("5 photos are not read yet.")
    assert told.value.replace("\\", "").endswith("Try again in 42 s.")
    taken.clear()
    next(button for button in at.button if button.label == "Read the rest").click().run()
    assert at.info[0].value.startswith("4 photos are not read yet.")


def test_a_file_that_waits_and_one_that_is_refused_are_told_apart():
    at = AppTest.from_function(told_apart).run()
    assert [told.value for told in at.warning] == ["b cannot be used."]
    assert [told.value for told in at.info] == ["1 photo is not read yet. a has to wait. Try again in 3 s."]


def offered_and_refused() -> None:
    from pages.parts.attention.photo_choice import offer_photos, show_refused

    photos_here, refused = offer_photos()
    show_refused(refused, sum(not each.sample for each in photos_here))


def told_apart() -> None:
    from pages.parts.attention.photo_choice import Waiting, show_refused

    show_refused([Waiting("a has to wait. Try again in 3 s."), "b cannot be used."], 1)
