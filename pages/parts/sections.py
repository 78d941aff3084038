"""Sections of which one is open: the one before vanishes at once, instead of standing under the new name until that is computed."""

from collections.abc import Iterable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def place(names: Iterable[str], picked: str) -> DeltaGenerator:
    """Where the picked section is drawn. Each section has a place of its own, and all others are emptied before it is drawn."""
    places = {name: st.container() if name == picked else st.empty() for name in names}
    return places[picked]
