"""Make a component of its folder: NAME.html, NAME.css and NAME.js with the modules that it imports."""

import re
from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

FOLDER = Path(__file__).parent
IMPORT = re.compile(r'^import \{[^}]*\} from "(\.[^"]+)";\n', re.MULTILINE)
FONT_SIZE = re.compile(r"font-size: ([\d.]+(?:px|rem|em))(?=[;}\s])")
EXPORT = re.compile(r"^export (?!default )", re.MULTILINE)


def component(name: str) -> ComponentRenderer:
    """Register the component in `components/NAME/`."""
    return st.components.v2.component(name, html=text(name, "html"), css=style(name), js=script(name))


def text(name: str, suffix: str) -> str:
    return (FOLDER / name / f"{name}.{suffix}").read_text(encoding="utf-8")


def style(name: str) -> str:
    """NAME.css with no text smaller than `--least-text`, which is set while presenting (pages/parts/stage/present.css)."""
    return FONT_SIZE.sub(r"font-size: max(\1, var(--least-text, 0px))", text(name, "css"))


def script(name: str) -> str:
    """NAME.js after all modules that it imports, each once: the browser gets one text, which cannot import files.

    The modules share one scope, so their names must differ; imports are written `import {a, b} from "./file.js";`.
    """
    modules: dict[Path, str] = {}
    _collect(FOLDER / name / f"{name}.js", modules)
    return "\n".join(EXPORT.sub("", IMPORT.sub("", module)) for module in modules.values())


def _collect(path: Path, modules: dict[Path, str]) -> None:
    """Add a module after those that it imports."""
    if path in modules:
        return
    module = path.read_text(encoding="utf-8")
    for imported in IMPORT.findall(module):
        _collect((path.parent / imported).resolve(), modules)
    modules[path] = module
