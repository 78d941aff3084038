"""The visit's role at the top of each page, with a field for the passcode; nothing where only this machine reaches the app."""

import streamlit as st

from kdcore.errors import NotAllowed
from pages.parts import engine, formatting
from pages.parts.roles import role


def draw() -> None:
    """“Watching” or “Operator”, and how to change it: the passcode, or a request to the operator."""
    if not role.is_shared():
        return
    if role.is_operator():
        with st.popover("Operator", icon=":material/key:", type="tertiary", width="content", key="role"):
            st.caption("This window starts, stops and deletes runs, and hands control over to windows that ask for it.")
            st.button("Only watch", on_click=role.leave, key="role-leave")
    else:
        with st.popover("Watching", icon=":material/visibility:", type="tertiary", width="content", key="role"):
            _ask()
            _ask_for_control()


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


def _ask_for_control() -> None:
    """A window that watches asks the operator, who sees its name."""
    if role.windows.asks(role.visit()):
        st.caption("The operator sees that this window asks for control.")
        st.button("Withdraw", on_click=lambda: role.windows.withdraw(role.visit()), key="role-withdraw")
        return
    with st.form("role-ask", border=False):
        name = st.text_input("Your name", key="role-name", max_chars=24, autocomplete="name")
        asked = st.form_submit_button("Ask for control", key="role-ask-now")
    if asked:
        if why := engine.refusal(engine.ask_for_control, name):
            st.error(formatting.message(why))
        else:
            st.rerun()
