"""The storyboard's views are loaded before they are shown: the next one, and where it is open, all."""

import threading

import pytest
import streamlit as st

from pages.parts import engine
from pages.parts.attention import networks, preload
from pages.parts.roles import role
from pages.parts.stage import ahead, editor

CHELSEA = "photo=chelsea.png&networks=CIFAR-10&poke=flip"


@pytest.fixture
def storyboard(runner, monkeypatch, tmp_path):
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(ahead, "_loaded", set())
    for view in ("/methods?method=kd", f"/attention?{CHELSEA}", "/runs"):
        engine.add_view(view, view)


def found(page, query=None, *, presenting=False):
    return [view and view.page for view in ahead.in_order(page, query or {}, presenting=presenting)]


def test_the_view_after_the_one_that_is_shown(storyboard):
    assert found("methods", {"method": "kd"}) == ["attention", "runs"]
    assert found("attention", {"poke": "flip", "photo": "chelsea.png", "networks": "CIFAR-10"}) == ["runs", "methods"]
    assert found("runs") == [None, "attention", "methods"]
    assert found("methods", {"method": "dkd"}) == []


def test_presenting_begins_with_the_first_view(storyboard):
    assert found("studies", presenting=True) == ["methods", "attention", "runs"]
    assert found("studies") == []


def test_a_damaged_storyboard_is_the_editors_matter(storyboard, tmp_path):
    (tmp_path / "runs" / "storyboard.json").write_text("{")
    assert found("methods", {"method": "kd"}, presenting=True) == []


@pytest.mark.parametrize("operates", [True, False])
def test_the_presenters_page_loads_it_in_the_background_a_visitors_does_not(storyboard, monkeypatch, operates):
    loaded, done = [], threading.Event()
    monkeypatch.setattr(role, "is_operator", lambda: operates)
    monkeypatch.setattr(ahead, "LOADERS", {"attention": lambda query: (loaded.append(query), done.set())})
    monkeypatch.setattr(ahead.st, "query_params", {"method": "kd", "present": "1"})
    ahead.prepare("methods")
    assert done.wait(60 if operates else 0) == operates
    with ahead._busy if operates else threading.Lock():  # released when it is done
        pass
    assert loaded == ([{"photo": "chelsea.png", "networks": "CIFAR-10", "poke": "flip"}] if operates else [])


@pytest.mark.parametrize("opened, state", [(True, {}), (False, {editor.OPEN: "edit"}), (False, {})])
@pytest.mark.parametrize("trains", [False, True])
def test_an_open_storyboard_loads_all_views_once_and_beside_a_run_the_next_one_alone(
    storyboard, runner, monkeypatch, opened, state, trains
):
    engine.add_view("/attention?photo=coffee.png", "coffee")
    engine.delete_view(engine.views()[0].id)
    loaded = []
    monkeypatch.setattr(ahead, "LOADERS", {"attention": lambda query: loaded.append(query["photo"])})
    monkeypatch.setattr(ahead.st, "query_params", {})
    monkeypatch.setattr(ahead.st, "session_state", state)
    monkeypatch.setattr(runner, "active", lambda: ("a run",) if trains else ())
    for _ in range(2):
        ahead.prepare("studies", opened=opened)
        with ahead._busy:
            pass
    both = ["chelsea.png", "chelsea.png"] if trains else ["chelsea.png", "coffee.png", "chelsea.png"]
    assert loaded == (both if opened or state else [])


def test_a_loader_that_fails_is_logged_and_the_next_view_is_loaded_again(storyboard, monkeypatch, caplog):
    monkeypatch.setattr(ahead, "LOADERS", {"attention": lambda query: 1 / 0})
    monkeypatch.setattr(ahead.st, "query_params", {"method": "kd"})
    for _ in range(2):
        ahead.prepare("methods")
        with ahead._busy:
            pass
    logged = [record.message for record in caplog.records if record.name == ahead.__name__]
    assert logged == 2 * ["A view of the storyboard could not be preloaded."]


@pytest.mark.parametrize(
    "query",
    [
        {"photo": "chelsea.png", "poke": "flip"},
        {"photo": "chelsea.png", "crop": "0.400,0.400,0.700", "method": "Grad-CAM"},
        {"photo": "coffee.png", "networks": "Cues", "method": "Each network's own"},
        {},
    ],
)
def test_a_loaded_view_of_attention_computes_nothing_more(open_page, monkeypatch, query):
    st.cache_data.clear()
    preload.preload(query)

    def none():
        raise AssertionError("The page computes something.")

    monkeypatch.setattr(networks, "inspector", none)
    page = open_page("attention.py", **query)
    assert not page.exception
    assert not page.warning


@pytest.mark.parametrize("query", [{"photo": "own-123"}, {"photo": "shared-gone"}, {"photo": "\0" * 50}])
def test_a_photo_that_is_not_here_loads_nothing(runner, monkeypatch, query):
    monkeypatch.setattr(networks, "inspector", None)
    preload.preload(query)
