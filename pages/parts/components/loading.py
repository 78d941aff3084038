"""Make a component of its folder: NAME.html, NAME.css and NAME.js with the modules that it imports."""

import re
from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from kdcore.export import bundling

FOLDER = Path(__file__).parent
FONT_SIZE = re.compile(r"font-size: ([\d.]+(?:px|rem|em))(?=[;}\s])")


def component(name: str) -> ComponentRenderer:
    """Register the component in `components/NAME/`."""
    return st.components.v2.component(name, html=text(name, "html"), css=style(name), js=script(name))


def text(name: str, suffix: str) -> str:
    return (FOLDER / name / f"{name}.{suffix}").read_text(encoding="utf-8")


def style(name: str) -> str:
    """NAME.css with no text smaller than `--least-text`, which is set while presenting (pages/parts/stage/present.css)."""
    return FONT_SIZE.sub(r"font-size: max(\1, var(--least-text, 0px))", text(name, "css"))


def script(name: str) -> str:
    """NAME.js after all modules that it imports: the browser gets one text, which cannot import files."""
    return bundling.script(FOLDER / name / f"{name}.js")
