"""The storyboard's next view is loaded while the one before is shown."""

import threading

import pytest
import streamlit as st

from pages.parts import engine
from pages.parts.attention import networks, preload
from pages.parts.roles import role
from pages.parts.stage import ahead

CHELSEA = "photo=chelsea.png&networks=CIFAR-10&poke=flip"


@pytest.fixture
def storyboard(monkeypatch, tmp_path):
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    for view in ("/methods?method=kd", f"/attention?{CHELSEA}", "/runs"):
        engine.add_view(view, view)


def found(page, query=None, *, presenting=False):
    view = ahead.after(page, query or {}, presenting=presenting)
    return view and view.page


def test_the_view_after_the_one_that_is_shown(storyboard):
    assert found("methods", {"method": "kd"}) == "attention"
    assert found("attention", {"poke": "flip", "photo": "chelsea.png", "networks": "CIFAR-10"}) == "runs"
    assert found("runs") is None
    assert found("methods", {"method": "dkd"}) is None


def test_presenting_begins_with_the_first_view(storyboard):
    assert found("studies", presenting=True) == "methods"
    assert found("studies") is None


def test_a_damaged_storyboard_is_the_editors_matter(storyboard, tmp_path):
    (tmp_path / "runs" / "storyboard.json").write_text("{")
    assert found("methods", {"method": "kd"}, presenting=True) is None


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


def test_a_loader_that_fails_is_logged_and_the_next_view_is_loaded_again(storyboard, monkeypatch, caplog):
    monkeypatch.setattr(ahead, "LOADERS", {"attention": lambda query: 1 / 0})
    monkeypatch.setattr(ahead.st, "query_params", {"method": "kd"})
    for _ in range(2):
        ahead.prepare("methods")
        with ahead._busy:
            pass
    logged = [record.message for record in caplog.records if record.name == ahead.__name__]
    assert logged == 2 * ["The next view could not be preloaded."]


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
