"""Your own images as a zip file: unpacked into the data folder, and then a folder like any other."""

from collections.abc import Callable

import streamlit as st

from kdcore.errors import UserError
from kdcore.photos.decoding import plain_name
from pages.parts import engine, formatting
from pages.parts.server.uploads import file_of, forget, widget_mb

TURN, DONE, TROUBLE = "images-turn", "images-done", "images-trouble"  # in the session's state


def offer(take: Callable[[str], None]) -> None:
    """A folded field for a zip file. take: gets the folder's path when it is unpacked, before the page is redrawn."""
    with st.expander("Upload a folder as a ZIP file", icon=":material/folder_zip:", key="own-images"):
        turn = st.session_state.setdefault(TURN, 0)
        st.file_uploader(
            "ZIP file with a folder of images for each class", type=["zip"], key=f"images-file-{turn}", on_change=_unpack,
            args=(take,), max_upload_size=widget_mb(),
            help="Or train/ and test/ with such folders in them. The images are kept in this server's data folder.",
        )  # fmt: skip
        if trouble := st.session_state.pop(TROUBLE, ""):
            st.error(formatting.message(trouble))
    if done := st.session_state.get(DONE):
        st.caption(formatting.as_text(done))


def _unpack(take: Callable[[str], None]) -> None:
    if (file := file_of(f"images-file-{st.session_state[TURN]}")) is None:
        return
    st.session_state.pop(DONE, None)
    try:
        found = engine.unpack_images(file, file.name)
    except UserError as error:
        st.session_state[TROUBLE] = str(error)
        return
    left = f" Left out: {'; '.join(map(str, found.left_out))}." if found.left_out else ""
    st.session_state[DONE] = f"{found.images:,} images of {plain_name(file.name)} were unpacked.{left}"
    st.session_state[TURN] += 1  # a new field
    forget([file.file_id])
    take(str(found.folder))
