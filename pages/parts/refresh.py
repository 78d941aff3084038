"""Parts of a page that redraw themselves while a run is active."""

from collections.abc import Callable

import streamlit as st


def refreshing(draw: Callable[..., None], active: bool, seconds: float) -> Callable[..., None]:
    """`draw` as a fragment, repeated every so many seconds while `active`."""
    return st.fragment(draw, run_every=seconds if active else None)
