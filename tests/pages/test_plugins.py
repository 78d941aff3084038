"""Plugins on the pages: a method's card and where it is from, what is wrong with others, and runs without their plugin."""

import json

import pytest
import streamlit as st

from kdcore import models, plugins
from kdcore.data import datasets, perturbations
from kdcore.inspection import map_names
from kdcore.store.run_files import environment
from pages.parts import engine
from tests.kdcore.plugins.conftest import EXAMPLES

# before the stand-ins of the other pages take their places
REAL_METHODS, REAL_STUDENTS = engine.methods, engine.student_names


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, runner):
    """A folder of plugins with the documented examples and one that is broken."""
    monkeypatch.setattr(engine, "methods", REAL_METHODS)
    monkeypatch.setattr(engine, "student_names", REAL_STUDENTS)
    made = tmp_path / "own parts"
    made.mkdir()
    for name, text in {**EXAMPLES, "broken.py": "import nothing_here\n"}.items():
        (made / name).write_text(text)
    monkeypatch.setenv(plugins.VARIABLE, str(made))
    st.cache_data.clear()  # a server knows its plugins from its start
    yield made
    st.cache_data.clear()


def test_a_method_has_its_card_like_any_other_and_the_operator_reads_what_is_wrong(open_page):
    at = open_page("methods.py", **{"method-search": "margin"})
    assert not at.exception
    assert "**Margin matching**" in [button.label for button in at.button]
    assert any("`margin`" in each.value and "plugin margin.py" in each.value for each in at.markdown)
    assert "broken.py is not used: line 1: ModuleNotFoundError" in at.warning[0].value.replace("\\", "")
    card = open_page("methods.py", method="margin")
    assert not card.exception
    assert card.title[0].value == "Margin matching"


def test_a_visitor_reads_nothing_of_the_servers_plugins(open_page, visiting):
    at = open_page("methods.py", **{"method-search": "margin"})
    assert not at.exception
    assert not at.warning
    assert "**Margin matching**" in [button.label for button in at.button]


def test_the_choices_of_the_pages_have_them():
    assert "margin" in engine.methods()
    assert "two_stages" in models.names()
    assert "inverted" in perturbations.names()
    assert "bands" in datasets.names()
    assert "strongest_channel" in map_names()


TRAIN = {
    "Student": "two_stages",
    "Terms of the loss": "Margin matching (logits)",
    "Curves on perturbed images": "Inverted (1)",
    "Dataset": "Bands",
}


@pytest.mark.parametrize(
    ("page", "choices"),
    [
        ("train.py", TRAIN),
        ("robustness.py", {"Test set": "Inverted"}),
    ],
)
def test_a_page_offers_them_where_one_chooses(page, choices, open_page, make_run):
    make_run()
    at = open_page(page)
    assert not at.exception
    widgets = [*at.selectbox, *at.multiselect, *at.get("segmented_control")]
    for label, choice in choices.items():
        (options,) = [each.options for each in widgets if each.label == label]
        assert choice in options


@pytest.mark.parametrize("seen_by", ["operator", "visitor"])
def test_the_page_of_a_run_shows_without_its_plugin(seen_by, open_page, runner, make_run, monkeypatch, request):
    if seen_by == "visitor":
        request.getfixturevalue("visiting")
    monkeypatch.setenv(plugins.VARIABLE, "")
    run_id = make_run()
    recipe = runner.store.folder(run_id) / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("method: kd", "method: margin"))
    entry = {"plugin": {"method margin": {"file": "/srv/own/margin.py", "sha256": "c" * 64}}}
    (runner.store.folder(run_id) / environment.NAME).write_text(json.dumps([entry]))
    at = open_page("train.py", run=run_id, more="Recipe and log")
    assert not at.exception
    (warning,) = [each.value.replace("\\", "") for each in at.warning if "plugin" in each.value]
    where = "/srv/own/margin.py" if seen_by == "operator" else "margin.py"
    assert warning.startswith("The run uses plugins that are not loaded: the method 'margin'.")
    assert f"--plugin {where}," in warning
    assert ("/srv/own" in warning) == (seen_by == "operator")
    assert any("margin.py, SHA-256 cccccccccccccccc" in table.value.to_string() for table in at.table)
    assert at.metric
