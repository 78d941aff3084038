"""The title of the browser's tab: what is shown, the page and the app, so that tabs, bookmarks and screen readers tell them apart."""

import streamlit as st

from kdcore.errors import UserError
from pages.parts import engine

APP = "Distillation Explorer"
LONGEST = 60  # characters of the subject


def of(page: str, name: str) -> str:
    """`quick · Train · Distillation Explorer`.

    Args:
        page: the last part of its address, empty for Start.
        name: its name in the menu.
    """
    if not page:
        return APP
    subject = subject_of(page)
    return " · ".join(filter(None, [subject[:LONGEST], name, APP]))


def subject_of(page: str) -> str:
    """The name of the run, study or method of the address; empty where it names none, or none that is there."""
    try:
        if page in ("train", "runs"):
            runs = st.query_params.get_all("run")
            if len(runs) > 1:
                return f"{len(runs)} runs"
            return engine.store().state(runs[0]).name if runs else ""
        if page == "studies" and (study := st.query_params.get("study")):
            return engine.studies().state(study).name
        if page == "methods" and (method := st.query_params.get("method", "")):
            return method.replace("_", " ") if method.isidentifier() else ""
    except UserError:
        pass
    return ""
