"""The dialogs of the storyboard: add a view, and rename, reorder, annotate or delete views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from kdcore.errors import UserError
from pages.parts import engine, formatting

OPEN = "stage-open"  # the dialog that is open, as the browser asked for it: it stays when the page runs again

if TYPE_CHECKING:
    from pages.parts.engine.storyboard import View


def close() -> None:
    st.session_state.pop(OPEN, None)


@st.dialog("Add this view", width="medium", on_dismiss=close)
def add(address: str, cursor: object, scroll: object) -> None:
    """A caption for the view at this address."""
    st.caption("The view that is on the screen is saved with its settings. Uploaded photos are not saved.")
    with st.form("stage-add", border=False):
        caption = st.text_input("Caption", key="stage-caption", max_chars=200)
        added = st.form_submit_button("Add", type="primary", key="stage-add-now")
    if added and _done(engine.add_view, address, caption, cursor, scroll):
        close()
        st.rerun()


@st.dialog("Storyboard", width="large", on_dismiss=close)
def edit() -> None:
    """The views in order, each with its caption and notes."""
    try:
        views = engine.views()
    except UserError as error:
        st.warning(formatting.message(str(error)), icon=":material/warning:")
        return
    if not views:
        st.info(
            "No view yet. Open a page as the audience shall see it, then choose “Add this view”.",
            icon=":material/info:",
        )
    for place, view in enumerate(views):
        _row(view, first=place == 0, last=place == len(views) - 1)
    st.caption(
        "While presenting (P): arrow keys or a clicker step through the views, L opens the run that is training, Esc ends."
    )


def _row(view: View, *, first: bool, last: bool) -> None:
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            caption = st.text_input("Caption", view.caption, key=f"stage-caption-{view.id}", max_chars=200)
            for icon, label, by, off in (
                ("arrow_upward", "Move up", -1, first),
                ("arrow_downward", "Move down", 1, last),
            ):
                pressed = st.button(
                    "", icon=f":material/{icon}:", help=label, disabled=off, key=f"stage-move{by}-{view.id}"
                )
                if pressed and _done(engine.move_view, view.id, by):
                    st.rerun(scope="fragment")
            pressed = st.button("", icon=":material/delete:", help="Delete this view", key=f"stage-delete-{view.id}")
            if pressed and _done(engine.delete_view, view.id):
                st.rerun(scope="fragment")
        notes = st.text_area(
            "Speaker notes", view.notes, key=f"stage-notes-{view.id}", max_chars=4000, height="content", label_visibility="collapsed",
            placeholder="Speaker notes",
        )  # fmt: skip
        st.caption(formatting.as_text(view.address))
        if (caption, notes) != (view.caption, view.notes):
            _done(engine.edit_view, view.id, caption, notes)


def _done(command: object, *arguments: object) -> bool:
    """Whether it was done; else why it was refused is shown."""
    if why := engine.refusal(command, *arguments):  # type: ignore[arg-type]
        st.error(formatting.message(why))
    return not why
