"""Make a component of its folder: NAME.html, NAME.css and NAME.js with the modules that it imports."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from kdcore.export import bundling

T = TypeVar("T")
FOLDER = Path(__file__).parent
FONT_SIZE = re.compile(r"font-size: ([\d.]+(?:px|rem|em))(?=[;}\s])")


def component(name: str) -> ComponentRenderer:
    """Register the component in `components/NAME/`."""
    return st.components.v2.component(name, html=text(name, "html"), css=style(name), js=script(name))


def sent(key: str, name: str, kind: type[T]) -> T | None:
    """What the browser sent last under a name of the component with this key; None where that is nothing, or of another kind, which
    only a forged message has."""
    values = st.session_state.get(key)
    return of_kind(values.get(name) if isinstance(values, Mapping) else None, kind)


def of_kind(value: object, kind: type[T]) -> T | None:
    return value if isinstance(value, kind) and not isinstance(value, bool) else None


def text(name: str, suffix: str) -> str:
    return (FOLDER / name / f"{name}.{suffix}").read_text(encoding="utf-8")


def style(name: str) -> str:
    """NAME.css with no text smaller than `--least-text`, which is set while presenting (pages/parts/stage/present.css)."""
    return FONT_SIZE.sub(r"font-size: max(\1, var(--least-text, 0px))", text(name, "css"))


def script(name: str) -> str:
    """NAME.js after all modules that it imports: the browser gets one text, which cannot import files."""
    return bundling.script(FOLDER / name / f"{name}.js")
