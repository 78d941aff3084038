"""Parts of a page that redraw themselves while a run is active."""

from collections.abc import Callable

import streamlit as st

from pages.parts.roles import role

SLOWER = 2.5  # times, for a visitor: the whole audience of a talk may have the page open


def refreshing(draw: Callable[..., None], active: bool, seconds: float) -> Callable[..., None]:
    """`draw` as a fragment, repeated every so many seconds while `active`; less often for a visitor."""
    return st.fragment(draw, run_every=seconds * (1 if role.is_operator() else SLOWER) if active else None)
