"""Parts of a page that redraw themselves while a run is active."""

from collections.abc import Callable

import streamlit as st

from pages.parts.roles import role

SLOWER = 2.5  # times, for a visitor: the whole audience of a talk may have the page open


def refreshing(draw: Callable[..., None], active: bool, seconds: float) -> Callable[..., None]:
    """`draw` as a fragment, repeated every so many seconds while `active`; for a visitor less often."""
    slower = 1 if role.is_operator() else SLOWER
    return st.fragment(draw, run_every=seconds * slower if active else None)
