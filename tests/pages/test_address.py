"""The address is the state of a view: what it names is shown, and what is chosen is written into it."""

import ast
import re
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from kdcore.paths import PROJECT
from pages.parts import address


def page() -> None:
    import streamlit as st

    from pages.parts import address

    settings = address.Settings(
        x=address.Choice(("epoch", "step")),
        smooth=address.Number(0.8, 0, 0.99),
        log=address.Flag(),
        pinned=address.Word(),
    )
    st.session_state["read"] = settings.read()
    if "report" in st.session_state:
        settings.remember(st.session_state["report"])
    if "put" in st.session_state:
        address.put(st.session_state["put"])


def shown(at: AppTest) -> dict[str, object]:
    """The address; AppTest gives a single value as text or as a list."""
    return {
        name: value if isinstance(value := at.query_params[name], str) or len(value) > 1 else value[0]
        for name in at.query_params
    }


def opened(put: object = None, report: object = None, **query: str) -> AppTest:
    at = AppTest.from_function(page)
    for name, value in query.items():
        at.query_params[name] = value
    for name, value in (("put", put), ("report", report)):
        if value is not None:
            at.session_state[name] = value
    at.run()
    assert not at.exception
    return at


USUAL = {"x": "epoch", "smooth": 0.8, "log": False, "pinned": ""}


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ({}, USUAL),
        ({"x": "step", "smooth": "0.5", "log": "yes", "pinned": "a b"}, {"x": "step", "smooth": 0.5, "log": True, "pinned": "a b"}),
        ({"x": "weeks", "smooth": "nan", "log": "1", "pinned": "a\nb"}, USUAL),
        ({"smooth": "7"}, USUAL | {"smooth": 0.99}),
        ({"smooth": "9" * 400, "pinned": "a" * 501}, USUAL),
    ],
)  # fmt: skip
def test_settings_are_checked_when_they_are_read(query: dict[str, str], read: dict[str, object]) -> None:
    assert opened(**query).session_state["read"] == read


def test_what_a_component_reports_is_written_as_far_as_it_is_valid_and_not_the_usual() -> None:
    at = opened(report={"x": "step", "smooth": 0.8, "log": "maybe", "pinned": "run 1", "more": 1}, log="yes", run="a")
    assert shown(at) == {"run": "a", "x": "step", "pinned": "run 1"}


def test_several_names_change_at_once_and_empty_or_too_long_values_remove_theirs() -> None:
    at = opened(put={"run": ["a", "b"], "photo": "", "poke": "x" * 501}, photo="star.png", poke="flip", map="own")
    assert shown(at) == {"map": "own", "run": ["a", "b"]}


@pytest.mark.parametrize(
    ("value", "text"), [(True, "yes"), (False, "no"), (3.0, "3"), (0.123456789, "0.123457"), ("a", "a")]
)
def test_values_are_written_as_the_browser_writes_them(value: object, text: str) -> None:
    assert address.written(value) == text


# Widgets whose state is no part of a view: forms of what is to be made or changed, and what is asked before something is done.
NO_VIEW = re.compile(
    r"^(train/|own/|roles/|stage/|teaching/|runs/(forks|label_form|adjustments|actions|run_files|exporting|pruning)|attention/shared_photos|studies/form)"
)
CHOICES = {"selectbox", "multiselect", "pills", "segmented_control", "tabs", "slider", "select_slider", "toggle", "checkbox", "radio", "text_input"}  # fmt: skip


def test_every_choice_of_a_view_is_in_the_address() -> None:
    """A new widget that is not bound would be lost in links, by Back, and for whoever follows the presenter."""
    root, unbound = PROJECT / "pages" / "parts", []
    for path in sorted(root.rglob("*.py")):
        where = path.relative_to(root).as_posix()
        if NO_VIEW.match(where):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHOICES:
                words = {word.arg: word.value for word in node.keywords}
                if "bind" not in words and isinstance(node.func.value, ast.Name | ast.Call):
                    unbound.append(f"{where}:{node.lineno} {node.func.attr}")
    assert unbound == []


@pytest.mark.parametrize(
    ("name", "query", "seen"),
    [
        ("studies.py", {"tab": "Ready-made studies", "ready-made": "vit-to-cnn"}, ("ready-made", "vit-to-cnn")),
        ("methods.py", {"method-search": "attention"}, ("method-search", "attention")),
        ("methods.py", {"method-kinds": "Features"}, ("method-kinds", None)),
    ],
)
def test_a_page_opens_with_what_its_address_names(open_page: Callable[..., AppTest], name: str, query: dict[str, str], seen: tuple[str, str | None]) -> None:  # fmt: skip
    at = open_page(name, **query)
    assert not at.exception
    key, value = seen
    if value is not None:
        assert at.session_state[key] == value
