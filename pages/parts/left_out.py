"""Networks that the pages on networks do not offer, with the reason."""

import streamlit as st

from pages.parts import engine, formatting

MOST = 3  # reasons, and names for each


def show() -> None:
    """A caption for each reason; nothing where all networks of runs and all imported weights can be chosen."""
    reasons: dict[str, list[str]] = {}
    for each in engine.left_out():
        named = f"{each.title} ({each.run_id[:15]})" if each.run_id else each.title
        reasons.setdefault(each.why, []).append(named)
    for why, names in list(reasons.items())[:MOST]:
        more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
        listed = formatting.as_text(", ".join(names[:MOST]))
        st.caption(f":material/visibility_off: Networks not offered: {listed}{more}. {formatting.message(why)}")
