"""The operator's window of speaker notes, at the address `/?notes=1`."""

import streamlit as st

from kdcore.errors import UserError
from pages.parts import engine, formatting
from pages.parts.components.stage_notes.stage_notes import stage_notes
from pages.parts.roles import role

EVERY = 5.0  # seconds, after which changes of the storyboard are shown


def wanted() -> bool:
    """Whether this window is for the notes."""
    return st.query_params.get("notes") == "1"


def draw() -> None:
    if role.is_operator():
        st.fragment(_notes, run_every=EVERY)()
    else:
        st.info("Speaker notes are the operator's. Enter the passcode under “Watching”.", icon=":material/info:")


def _notes() -> None:
    try:
        stage_notes(engine.views())
    except UserError as error:
        st.warning(formatting.message(str(error)), icon=":material/warning:")
