"""The pages: their files, titles, icons and addresses."""

from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

PAGES = Path(__file__).resolve().parents[1]

START = str(PAGES / "start.py")
TRAIN = str(PAGES / "train.py")
RUNS = str(PAGES / "runs.py")
STUDIES = str(PAGES / "studies.py")
ATTENTION = str(PAGES / "attention.py")
ROBUSTNESS = str(PAGES / "robustness.py")
METHODS = str(PAGES / "methods.py")


def table(*, training: bool = False) -> list[StreamlitPage]:
    """The pages in the order of the menu; while a run is training, Train has another icon.

    It stands still: a spinner would make each open page draw fifty times a second.
    """
    train = ":material/model_training:" if training else ":material/school:"
    return [
        st.Page(START, title="Start", icon=":material/home:", default=True),
        st.Page(TRAIN, title="Train", icon=train, url_path="train"),
        st.Page(RUNS, title="Runs", icon=":material/stacked_line_chart:", url_path="runs"),
        st.Page(STUDIES, title="Studies", icon=":material/science:", url_path="studies"),
        st.Page(ATTENTION, title="Attention", icon=":material/visibility:", url_path="attention"),
        st.Page(ROBUSTNESS, title="Robustness", icon=":material/blur_on:", url_path="robustness"),
        st.Page(METHODS, title="Methods", icon=":material/menu_book:", url_path="methods"),
    ]


@cache
def addresses() -> tuple[str, ...]:
    """The last part of each page's address: its file's name; that of Start is empty."""
    return tuple(sorted("" if str(path) == START else path.stem for path in PAGES.glob("*.py")))


def go_button(label: str, icon: str, page: str, **address: str) -> None:
    """A button that opens a page with these query parameters. A link to the page itself would be drawn as active."""
    if st.button(label, icon=icon, key=f"go-{label}"):
        st.switch_page(page, query_params=address)
