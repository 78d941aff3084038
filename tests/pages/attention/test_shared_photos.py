"""A shared photo: asked first, opened by its link, missing with a sentence, removed by whoever may."""

import io
import time
from typing import Any

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from kdcore.errors import NotAllowed, UserError
from kdcore.photos import sharing
from pages.parts import engine
from pages.parts.attention import photo_choice, shared_photos
from pages.parts.roles import quota

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    st.cache_data.clear()


def choice() -> None:
    import streamlit as st

    from pages.parts.attention import photo_choice, shared_photos

    offered, _ = photo_choice.offer_photos()
    shown = photo_choice.choose_photo(offered, lambda: "")
    st.session_state["shown"] = None if shown is None else (shown.id, shown.name, shown.pixels.tolist())
    shared_photos.offer()


def opened(**address: str) -> AppTest:
    at = AppTest.from_function(choice, default_timeout=120)
    for name, value in address.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    return at


def upload(at: AppTest) -> AppTest:
    packed = io.BytesIO()
    Image.fromarray(PIXELS).save(packed, "PNG")
    at.file_uploader[0].set_value([("mine.png", packed.getvalue(), "image/png")]).run()
    assert not at.exception
    return at


def query(at: AppTest, name: str) -> Any:
    value = at.query_params.get(name, None)
    return value[0] if isinstance(value, list) else value


def test_a_link_shows_the_photo_and_the_sharer_may_stop_it(visiting):
    kept, key = sharing.share(PIXELS)
    at = opened(photo=f"shared-{kept.id}", poke="flip")
    assert at.session_state["shown"][2] == PIXELS.tolist()
    assert at.session_state["shown"][1].startswith("shared until ")
    assert not [each for each in at.button if each.key == "stop-sharing"]  # of whoever has the link alone
    at = opened(photo=f"shared-{kept.id}", remove=key)
    at.button("stop-sharing").click().run()
    assert not at.exception
    assert sharing.listing() == []
    assert query(at, "photo") is None


def test_a_wrong_key_removes_nothing_and_says_who_can(visiting):
    kept, _ = sharing.share(PIXELS)
    at = opened(photo=f"shared-{kept.id}", remove="0" * 32)
    at.button("stop-sharing").click().run()
    assert "Ask the operator to remove it" in at.error[0].value
    assert [each.id for each in sharing.listing()] == [kept.id]


@pytest.mark.parametrize(
    ("photo", "why"),
    [
        (f"shared-{'0' * 32}", "its sharing has ended, it was removed, or it was shared on another server"),
        ("shared-../../x", "its sharing has ended"),
        ("own-0123456789abcdef", "only the visit that uploaded it has it"),
    ],
)
def test_a_link_without_its_photo_says_so_and_takes_an_upload_in_its_place(photo, why):
    at = opened(photo=photo, poke="flip")
    assert at.session_state["shown"] is None
    assert why in at.warning[0].value
    assert "Upload it again to see it with the same settings" in at.warning[0].value
    upload(at)
    assert at.session_state["shown"][1] == "mine.png"
    assert query(at, "poke") == "flip"
    assert query(at, "photo") == at.session_state["shown"][0]


def test_an_own_photo_is_named_by_its_pixels_and_found_again_when_it_is_uploaded():
    at = upload(opened())
    name = query(at, "photo")
    assert name.startswith("own-")
    again = opened(photo=name, poke="blur3")
    assert again.session_state["shown"] is None
    upload(again)
    assert (query(again, "photo"), query(again, "poke")) == (name, "blur3")


def test_another_photo_starts_without_what_was_done_to_the_last():
    at = opened(photo=f"shared-{sharing.share(PIXELS)[0].id}", poke="flip", crop="whole")
    upload(at)
    assert (query(at, "poke"), query(at, "crop")) == (None, None)


def asked() -> None:
    import numpy as np
    import streamlit as st

    from pages.parts.attention import shared_photos

    if "begun" not in st.session_state:
        st.session_state["begun"] = True
        shared_photos.ask(np.zeros((8, 8, 3), np.uint8))
    shared_photos.offer()


def test_it_asks_before_it_shares_and_names_the_end():
    at = AppTest.from_function(asked).run()
    assert not at.exception
    text = " ".join(each.value for each in at.markdown)
    assert "Everyone with the link sees this photo, until" in text
    assert shared_photos.day(time.time() + 24 * 3600).split(",")[0] in text
    assert sharing.listing() == []


def test_visitors_share_within_a_quota_and_the_list_is_the_operators(monkeypatch, visiting):
    monkeypatch.setattr(quota, "shares", quota.Quota(2, 4))
    (kept, key), _ = engine.share_photo(PIXELS, days=1), engine.share_photo(np.zeros((2000, 900, 3), np.uint8), days=30)
    with pytest.raises(NotAllowed, match="Visitors may share 3 photos a minute.*Try again in"):
        engine.share_photo(PIXELS, days=1)
    assert max(max(engine.shared_photo(each.id)[0].shape) for each in sharing.listing()) == sharing.SIDE
    with pytest.raises(NotAllowed, match="Only the operator can see the shared photos"):
        engine.shared_photos()
    with pytest.raises(NotAllowed, match="Only its sharer"):
        engine.remove_shared_photo(kept.id, None)
    engine.remove_shared_photo(kept.id, key)
    with pytest.raises(UserError, match="is not on this server"):
        engine.shared_photo(kept.id)


def test_only_photos_of_this_visit_need_to_be_shared():
    shown = photo_choice.Shown("own-1", "mine", PIXELS, "", "")
    assert not shown.shareable
    assert photo_choice.Shown("shared-1", "", PIXELS, "", "").shareable


class OpenBox:
    open = True

    def __enter__(self) -> "OpenBox":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_the_operator_sees_all_of_them_and_removes_any(monkeypatch):
    kept = [sharing.share(PIXELS)[0] for _ in range(2)]
    monkeypatch.setattr(shared_photos.st, "popover", lambda *_, **__: OpenBox())
    at = opened(photo=f"shared-{kept[0].id}")
    at.button(f"stop-{kept[1].id}").click().run()
    assert not at.exception
    assert [each.id for each in sharing.listing()] == [kept[0].id]
    assert query(at, "photo") == f"shared-{kept[0].id}"
    at.button("stop-sharing").click().run()
    assert sharing.listing() == []
