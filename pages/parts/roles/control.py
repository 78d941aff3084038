"""The visit's role at the top of each page, with a field for the passcode; nothing where only this machine reaches the app."""

import streamlit as st

from kdcore.errors import NotAllowed
from pages.parts import formatting
from pages.parts.roles import role

PLACE = "role-control"
IN_THE_HEADER = "position: fixed; top: 0.6rem; right: 9rem; width: auto; z-index: 1000000"  # left of the menu and of "Running ... Stop"


def draw() -> None:
    """“Watching” or “Operator”, and how to change it."""
    if not role.is_shared():
        return
    st.html(f"<style>.st-key-{PLACE} {{ {IN_THE_HEADER} }}</style>")
    with st.container(key=PLACE, width="content"):
        if role.is_operator():
            with st.popover("Operator", icon=":material/key:", type="tertiary", width="content", key="role"):
                st.caption("This window starts, stops and deletes runs. A reload asks for the passcode again.")
                st.button("Only watch", on_click=role.leave, key="role-leave")
        else:
            with st.popover("Watching", icon=":material/visibility:", type="tertiary", width="content", key="role"):
                _ask()


def only_the_operator(can: str) -> None:
    """A sentence where a visitor lacks a control."""
    st.caption(f"Only the operator can {can}.")


def _ask() -> None:
    st.caption("Visitors watch runs and try their own photos. The operator also starts, changes and deletes runs.")
    with st.form("role-passcode", border=False, clear_on_submit=True):
        typed = st.text_input("Passcode", type="password", key="role-typed", autocomplete="off")
        entered = st.form_submit_button("Enter", key="role-enter")
    if entered:
        try:
            role.enter(typed)
        except NotAllowed as error:
            st.error(formatting.message(str(error)))
        else:
            st.rerun()
