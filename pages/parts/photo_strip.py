"""A strip of small pictures to choose one from: the visitor's own photos, then the samples."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "photo_strip",
    html='<div class="strip" role="group" aria-label="Photos"></div>',
    css=(HERE / "photo_strip.css").read_text(encoding="utf-8"),
    js=(HERE / "photo_strip.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Thumbnail:
    id: str
    name: str
    url: str  # the picture itself, as a data URL


def photo_strip(thumbnails: list[Thumbnail], chosen: str) -> str:
    """Draw the strip; returns the id of the picture that was just clicked, else an empty string."""
    items = [{"id": each.id, "name": each.name, "url": each.url} for each in thumbnails]
    result = _component(key="photo_strip", data={"items": items, "chosen": chosen}, on_picked_change=lambda: None)
    return result.picked or ""
