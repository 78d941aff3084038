"""The cache of networks: those used last stay, within a number and a size."""

import pytest
import torch

from kdcore import explain, models
from kdcore.inspection import model_cache
from kdcore.inspection.model_cache import ModelCache

LAYER_BYTES = 4 * 100


@pytest.fixture
def loaded(monkeypatch) -> list[str]:
    """What was loaded, in order, by a cache of networks that are a layer each."""
    loaded: list[str] = []
    monkeypatch.setattr(model_cache, "find", lambda reference, store: None)
    monkeypatch.setattr(explain, "ready", lambda model: model)
    monkeypatch.setattr(
        models, "load", lambda reference, runs: loaded.append(reference) or torch.nn.Linear(10, 10, bias=False)
    )
    return loaded


def got(*references: str) -> ModelCache:
    cache = ModelCache(None, torch.device("cpu"))
    for reference in references:
        cache.get(reference)
    return cache


def test_the_one_that_was_not_used_for_longest_goes(loaded, monkeypatch):
    monkeypatch.setattr(model_cache, "SIZE", 2)
    cache = got("a", "b", "a", "c")
    assert loaded == ["a", "b", "c"]
    cache.get("a")
    assert loaded == ["a", "b", "c"]
    cache.get("b")
    assert loaded == ["a", "b", "c", "b"]


@pytest.mark.parametrize("most, again", [(2 * LAYER_BYTES, 0), (2 * LAYER_BYTES - 1, 1)])
def test_their_size_is_limited(loaded, monkeypatch, most, again):
    monkeypatch.setattr(model_cache, "MOST_BYTES", most)
    got("a", "b").get("a")
    assert len(loaded) == 2 + again


def test_one_alone_may_be_larger(loaded, monkeypatch):
    monkeypatch.setattr(model_cache, "MOST_BYTES", 1)
    got("a", "a", "b", "b")
    assert loaded == ["a", "b"]
