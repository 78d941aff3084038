"""The bar and menu of the stage around every page: who presents, requests for control, and the storyboard's dialogs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from kdcore.errors import UserError
from pages.parts import engine, formatting
from pages.parts.components.stage_bar.stage_bar import Role, stage_bar
from pages.parts.roles import control, role
from pages.parts.stage import editor, join

PLACE = "stage"
DRAWN_AS = "stage-role"  # the role for which the page was drawn
STYLE = Path(__file__).with_name("present.css").read_text(encoding="utf-8")


def draw() -> None:
    """At the top of each page, before the page itself."""
    st.html(f"<style>{STYLE}</style>")
    st.session_state[DRAWN_AS] = own_role()
    _bar()


def own_role() -> Role:
    session = role.visit()
    if role.is_operator():
        return "presenter" if role.windows.presents(session) else "operator"
    return "lent" if role.windows.has_lent(session) else "visitor"


@st.fragment
def _bar() -> None:
    if own_role() != st.session_state.get(DRAWN_AS):
        st.rerun()  # the page has other controls now
    operates = role.is_operator()
    with st.container(key=PLACE, width="content", horizontal=True, vertical_alignment="center", gap="small"):
        control.draw()
        stage_bar(
            own_role(),
            shared=role.is_shared(),
            secret=_secret(operates),
            requests=engine.control_requests() if operates else [],
            views=_views() if operates else [],
            on_act=_act,
        )
    match st.session_state.get(editor.OPEN) if operates else None:
        case {"what": "add", **rest}:
            editor.add(str(rest.get("address", "")), rest.get("cursor"), rest.get("scroll", 0.0))
        case {"what": "storyboard"}:
            editor.edit()
        case {"what": "audience"}:
            _audience()


def _secret(operates: bool) -> str:
    """For windows that operate, ask, or may take control back."""
    session = role.visit()
    known = operates or role.windows.has_lent(session) or role.windows.asks(session)
    return role.windows.secret(session) if session and known else ""


def _views() -> list[Any]:
    try:
        return list(engine.views())
    except UserError:  # the editor shows why
        return []


def _act(act: object) -> None:
    """What the browser sent. It may be made by hand, so each of these checks the role by itself."""
    match act:
        case {"what": "window", "secret": str(secret)}:
            role.windows.restore(role.visit(), secret)
        case {"what": "grant", "id": str(request_id)}:
            _try(engine.grant_control, request_id)
        case {"what": "decline", "id": str(request_id)}:
            _try(engine.decline_control, request_id)
        case {"what": "back"}:
            _try(engine.take_control_back)
        case {"what": "present"}:
            _try(engine.present_from_here)
        case {"what": "add" | "storyboard" | "audience"} if role.is_operator():
            st.session_state[editor.OPEN] = act


def _try(command: Any, *arguments: str) -> None:
    if why := engine.refusal(command, *arguments):
        st.toast(formatting.message(why), icon=":material/info:")


@st.dialog("Join", width="medium", on_dismiss=editor.close)
def _audience() -> None:
    join.draw()
