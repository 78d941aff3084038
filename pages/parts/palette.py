"""A colour for each network, the same in text, curves and pictures.

The colours themselves are the theme's (.streamlit/config.toml), so that text (`:violet[teacher]`),
badges and the charts (`--st-violet-color`) agree. They stay distinct with any colour blindness; contrast on the page
is at least 4.5 : 1, light or dark.
"""

import streamlit as st

NETWORKS = ("teacher", "student", "twin")
COLOURS = {"teacher": "violet", "student": "primary", "twin": "orange"}  # names that markdown and CSS variables know
TERM_COLOURS = ("blue", "red", "green", "yellow", "gray")  # none of a network's
UNNAMED = {
    "light": {"blue": "#1c83e1"},
    "dark": {"blue": "#3d9df3"},
}  # Streamlit's own, which the theme leaves as they are
RUN_STYLES = 6  # line styles, which runs differ by: solid and the dashes of components/live_chart/plot.js


def in_colour(network: str, text: str) -> str:
    """Markdown of `text` in the network's colour."""
    return f":{COLOURS[network]}[{text}]"


def shade(network: str) -> str:
    """A network's hex colour in the current theme, for charts that cannot use CSS variables."""
    return hex_of(COLOURS[network])


def hex_of(colour: str) -> str:
    """A colour of the theme by its name."""
    name = {"primary": "primaryColor"}.get(colour, f"{colour}Color")
    kind = st.context.theme.type or "light"
    return str(st.get_option(f"theme.{kind}.{name}") or UNNAMED[kind][colour])
