"""What a visitor sees where a page, a fragment or a widget's callback raises: one sentence, never a traceback."""

import logging

import streamlit as st

from kdcore import errors
from pages.parts import formatting
from pages.parts.roles import role, visitors


def show(error: Exception) -> bool:
    """Draw an uncaught exception where it was raised: the app's `on_script_error`, which Streamlit also calls for fragments and
    callbacks, but not for `st.stop` and `st.rerun`. True: nothing else is to be drawn for it."""
    words = errors.shown(error)
    st.error(formatting.message(words if role.is_operator() else visitors.in_words(words)))
    return True


def _is_not_logged_here(record: logging.LogRecord) -> bool:
    """Streamlit logs every uncaught exception first. `errors.shown` logs bugs, with the number that the visitor sees."""
    return record.msg != "Uncaught app execution"


logging.getLogger("streamlit.error_util").addFilter(_is_not_logged_here)
