"""The made-up engine in the place of the real one, and what components were given."""

from collections.abc import Iterator

import pytest
import streamlit as st

from kdcore.inspection import robustness as lab
from pages.parts.components.dumbbell import dumbbell
from pages.parts.components.gallery_cards import gallery_cards
from pages.parts.components.layer_matrix import layer_matrix

from . import made_up


@pytest.fixture
def made(runner, monkeypatch: pytest.MonkeyPatch) -> Iterator[made_up.Lab]:
    found = made_up.Lab()
    for name in made_up.NAMES:
        monkeypatch.setattr(lab, name, getattr(found, name))
    st.cache_resource.clear()
    st.cache_data.clear()
    yield found
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict]:
    """Component's key -> what it was given last."""
    found: dict[str, dict] = {}

    class Nothing:
        picked = None

    def draw(key, data, **_):
        found[key] = data
        return Nothing()

    for module in (dumbbell, gallery_cards, layer_matrix):
        monkeypatch.setattr(module, "_component", draw)
    return found
