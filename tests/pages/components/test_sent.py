"""What browsers send to components; a message made by hand may hold anything, and then counts as nothing."""

import math
from pathlib import Path

import pytest
import streamlit as st

from pages.parts.attention import framing
from pages.parts.components import loading
from pages.parts.components.replay import replay

FOLDER = Path(loading.__file__).parent


@pytest.mark.parametrize(
    "state", [{}, {"strip": None}, {"strip": 5}, {"strip": [1]}, {"strip": {}}, {"strip": {"other": "x"}}]
)
def test_what_was_not_sent_is_none(monkeypatch, state):
    monkeypatch.setattr(st, "session_state", state)
    assert loading.sent("strip", "picked", str) is None


@pytest.mark.parametrize("value", [None, True, 1e308, math.nan, {"a": [1]}, ["x"], 3])
def test_another_kind_is_none(monkeypatch, value):
    monkeypatch.setattr(st, "session_state", {"strip": {"picked": value}})
    assert loading.sent("strip", "picked", str) is None
    assert loading.sent("strip", "picked", int) == (3 if value == 3 else None)


def test_what_a_browser_sends_is_given(monkeypatch):
    monkeypatch.setattr(st, "session_state", {"strip": {"picked": "cat"}})
    assert loading.sent("strip", "picked", str) == "cat"


@pytest.mark.parametrize("value", [{}, [], 1e308, math.nan, "x" * 100_000, -5, None])
def test_settings_of_any_kind_are_read(monkeypatch, value):
    """Each setting of a component, as a forged message has it."""
    monkeypatch.setattr(st, "query_params", put := Parameters())
    replay.SETTINGS.remember(dict.fromkeys(replay.SETTINGS.settings, value))
    assert all(len(text) < 100 for text in put.values())
    assert framing.parsed(str(value)) in (framing.MIDDLE, framing.parsed("0.5,0.5,1"))


class Parameters(dict):
    def get_all(self, name):
        return [self[name]]

    def from_dict(self, values):
        self.update({name: str(value) for name, value in values.items()})


def test_no_component_relies_on_what_was_sent():
    """`st.session_state[KEY]["picked"]` raises where a forged message lacks it."""
    relying = [
        path.name
        for path in FOLDER.glob("*/*.py")
        if "st.session_state[KEY][" in path.read_text() or "st.session_state[key][" in path.read_text()
    ]
    assert not relying
