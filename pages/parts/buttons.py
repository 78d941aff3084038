"""Buttons whose press counts even where another event restarts the page before it is reached; Streamlit's own would be lost."""

import time
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

WAITS = 30.0  # seconds that a press waits for the page to reach its button


def pressed(label: str, *, key: str, place: DeltaGenerator | None = None, **settings: Any) -> bool:
    """Draw a button; whether it was pressed. What it starts should come next.

    Args:
        settings: further ones of `st.button`.
    """
    (place or st).button(label, key=key, on_click=_remember, args=(key,), **settings)
    when = st.session_state.get(_name(key))
    forget(key)
    return when is not None and time.monotonic() - when < WAITS


def forget(key: str) -> None:
    """Where the button cannot be pressed any more, so is not drawn."""
    if _name(key) in st.session_state:
        del st.session_state[_name(key)]


def _remember(key: str) -> None:
    st.session_state[_name(key)] = time.monotonic()


def _name(key: str) -> str:
    return f"pressed-{key}"
