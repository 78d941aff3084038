"""Parts of a page that redraw themselves while a run is active."""

from collections.abc import Callable

import streamlit as st

from pages.parts.roles import role

SLOWER = 2.5  # times, for a visitor: the whole audience of a talk may have the page open


def refreshing(draw: Callable[..., None], active: bool, seconds: float) -> Callable[..., None]:
    """`draw` as a fragment, repeated every so many seconds while `active`; for a visitor less often."""
    return st.fragment(draw, run_every=every(seconds) if active else None)


def every(seconds: float) -> float:
    """How often something is redrawn or requested in this visit: so many seconds for the operator, more for a visitor."""
    return seconds if role.is_operator() else SLOWER * seconds
