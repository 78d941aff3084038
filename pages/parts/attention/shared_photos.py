"""Photos shared by a link: the question before, the link, the photo of an opened link, and how to remove it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import streamlit as st

from kdcore.errors import UserError
from pages.parts import address, engine, formatting
from pages.parts.roles import role

PREFIX = "shared-"  # of a shared photo's id in the address
OWN = "own-"  # of a photo of this visit: with the begin of a hash of its pixels, so that the same photo is found again
REMOVE = "remove"  # in the address: the sharer's key
ASKED = "share-asked"  # in the session: the photo that is to be shared
DONE = "shared-now"  # in the session: id and key of the photo that was just shared
PHOTO = "photo"
MOST_DAYS = 30
LISTED = 20  # shared photos in the operator's list
DAY = 24 * 3600


def opened() -> list[tuple[str, str, np.ndarray]]:
    """The shared photo of the address; empty where there is none or where it is gone."""
    found = of_address(st.query_params.get(PHOTO, ""))
    return [found] if found else []


def of_address(photo_id: str) -> tuple[str, str, np.ndarray] | None:
    """A shared photo: id, name, pixels [H, W, 3]; None where it is none, or gone."""
    if not photo_id.startswith(PREFIX):
        return None
    try:
        pixels, until = engine.shared_photo(photo_id.removeprefix(PREFIX))
    except UserError:
        return None
    return photo_id, f"shared until {day(until)}", pixels


def explain_missing(photo_id: str) -> None:
    """Why nothing is drawn for an address whose photo is not here, and what to do."""
    if photo_id.startswith(PREFIX):
        why = "The photo of this link is not on this server: its sharing has ended, it was removed, or it was shared on another server."
    elif photo_id.startswith(OWN):
        why = "This photo was not shared: only the visit that uploaded it has it, and a reload or a link begins another visit."
    else:
        why = f"There is no sample photo {formatting.as_text(repr(photo_id[:60]))} here."
    st.warning(
        f"{why} Upload it again to see it with the same settings, or choose another photo above.",
        icon=":material/no_photography:",
    )


def ask(pixels: np.ndarray) -> None:
    """From the picture's “Copy link”: the next run of the page asks whether to share this photo."""
    st.session_state[ASKED] = pixels


def offer() -> None:
    """The question, where it was asked; the button that removes the photo, for its sharer and the operator; all, for the operator."""
    if (pixels := st.session_state.pop(ASKED, None)) is not None:
        st.session_state.pop(DONE, None)
        _question(pixels)
    if role.is_operator():
        _all()
    photo_id = st.query_params.get(PHOTO, "")
    if not photo_id.startswith(PREFIX):
        return
    key = st.query_params.get(REMOVE)
    if key or role.is_operator():
        st.button(
            "Stop sharing this photo", icon=":material/delete:", type="tertiary", key="stop-sharing",
            on_click=_remove, args=(photo_id, key),
        )  # fmt: skip
    if problem := st.session_state.pop("share-problem", ""):
        st.error(formatting.message(problem))


@st.dialog("Share your photo?")
def _question(pixels: Any) -> None:
    if DONE in st.session_state:
        _links(*st.session_state[DONE])
        return
    days = st.number_input("Days", 1, MOST_DAYS, 1, key="share-days")
    st.markdown(
        f"**Everyone with the link sees this photo, until {day(time.time() + days * DAY)}.** Its pixels are kept on this server, "
        f"without the file's name, place or time. You and the operator can remove it sooner."
    )
    with st.container(horizontal=True):
        if st.button("Share and show the link", type="primary", icon=":material/share:", key="share-now"):
            try:
                kept, key = engine.share_photo(pixels, days=int(days))
            except UserError as error:
                st.error(formatting.message(str(error)))
                return
            st.session_state[DONE] = (kept.id, key, kept.until)
            st.rerun(scope="fragment")
        if st.button("Do not share", key="share-not"):
            st.rerun()


def _links(photo_id: str, key: str, until: float) -> None:
    """The link, and the one that removes the photo."""
    here = {name: st.query_params.get_all(name) for name in st.query_params if name not in (PHOTO, REMOVE)}
    link = f"{st.context.url or ''}?{urlencode({PHOTO: PREFIX + photo_id} | here, doseq=True)}"
    st.markdown(f"Everyone with this link sees the photo, until {day(until)}:")
    st.code(link, language=None, wrap_lines=True)
    with st.expander("Link to remove it sooner, for you alone"):
        st.code(
            f"{st.context.url or ''}?{urlencode({PHOTO: PREFIX + photo_id, REMOVE: key})}",
            language=None,
            wrap_lines=True,
        )
    if st.button("Close", key="share-close"):
        st.session_state.pop(DONE, None)
        st.rerun()


def _all() -> None:
    """Every shared photo with its end, to look at and to remove."""
    kept = engine.shared_photos()
    if not kept:
        return
    with st.popover(
        f"Shared photos ({len(kept)})", icon=":material/share:", type="tertiary", key="shared-photos", on_change="rerun"
    ) as box:
        for each in kept[:LISTED] if box.open else ():
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"until {day(each.until)}", width="content")
                st.button("Show", key=f"show-{each.id}", on_click=_open, args=(PREFIX + each.id,))
                st.button("Stop sharing", key=f"stop-{each.id}", on_click=_remove, args=(PREFIX + each.id, None))
        if len(kept) > LISTED:
            st.caption(f"And {len(kept) - LISTED} that end later.")


def _open(photo_id: str) -> None:
    st.session_state.pop(PHOTO, None)
    address.put({PHOTO: photo_id, REMOVE: "", "poke": "", "crop": ""})


def _remove(photo_id: str, key: str | None) -> None:
    try:
        engine.remove_shared_photo(photo_id.removeprefix(PREFIX), None if role.is_operator() else key)
    except UserError as error:
        st.session_state["share-problem"] = str(error)
        return
    if st.query_params.get(PHOTO) == photo_id:
        st.session_state.pop(PHOTO, None)  # or the page would open it again
        address.put({PHOTO: "", REMOVE: "", "poke": "", "crop": ""})


def day(moment: float) -> str:
    """`30 November 2026, 14:05`, in the visitor's time zone where the browser gives one."""
    try:
        zone = ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    then = datetime.fromtimestamp(moment, zone)
    return f"{then.day} {then:%B %Y, %H:%M}"
