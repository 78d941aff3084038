"""A press counts once, also where the page is restarted before it reaches the button."""

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts import buttons


def page() -> None:
    import streamlit as st

    from pages.parts import buttons

    if st.session_state.pop("restart", False):
        st.rerun()  # as another event of the browser does
    if st.session_state.get("closed"):
        buttons.forget("go")
    elif buttons.pressed("Go", key="go", type="primary"):
        st.session_state["count"] = st.session_state.get("count", 0) + 1


def opened() -> AppTest:
    return AppTest.from_function(page).run()


def count(at: AppTest) -> int:
    """How often the button was pressed, as the page counts."""
    try:
        return at.session_state["count"]
    except KeyError:
        return 0


@pytest.mark.parametrize("restart", [False, True])
def test_a_press_counts_once(restart):
    at = opened()
    assert count(at) == 0
    at.session_state["restart"] = restart
    at.button(key="go").click().run()
    assert count(at.run()) == 1
    assert count(at.run()) == 1


def test_a_press_does_not_wait_for_ever(monkeypatch):
    at = opened()
    monkeypatch.setattr(buttons, "WAITS", -1.0)
    assert count(at.button(key="go").click().run()) == 0


def test_a_press_of_a_button_that_is_gone_is_forgotten():
    at = opened()
    at.session_state["closed"] = True
    at.button(key="go").click().run()
    at.session_state["closed"] = False
    assert count(at.run()) == 0
