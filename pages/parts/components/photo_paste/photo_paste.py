"""A picture from the clipboard."""

import base64
from pathlib import Path

import streamlit as st

KEY = "photo_paste"
HERE = Path(__file__).parent
CSS = """
button { width: 100%; min-height: 40px; padding: 0 0.5rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; font: inherit; font-family: var(--st-font); font-size: 0.875rem; color: var(--st-text-color); background: none; cursor: pointer;
  border: 1px dashed color-mix(in srgb, var(--st-text-color) 30%, transparent); border-radius: var(--st-base-radius); }
button:hover { border-color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); }
"""

_component = st.components.v2.component(
    KEY,
    html='<button type="button" data-usual="Paste a picture">Paste a picture</button>',
    css=CSS,
    js=(HERE / "photo_paste.js").read_text(encoding="utf-8"),
)


def photo_paste() -> bytes | None:
    """A picture that was pasted just now, as a JPEG file."""
    said = _component(key=KEY, on_pasted_change=lambda: None).pasted
    try:
        return base64.b64decode(str(said).partition("base64,")[2], validate=True) if said else None
    except ValueError:  # no base64, which no browser sends
        return None
