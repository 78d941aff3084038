"""The photo that Attention opens with, by its rule, on stand-ins and on the bundled networks."""

from types import SimpleNamespace

import pytest
import streamlit as st

from kdcore.inspection import choices
from kdcore.store import Store
from pages.parts.attention import networks, opening, photo_choice, samples


@pytest.fixture
def found(tmp_path):
    st.cache_data.clear()
    return choices(Store(tmp_path))


def predicting(monkeypatch, **classes: str) -> None:
    """Networks that see these classes, whatever the photo."""

    def inspect(pixels, reference):
        return SimpleNamespace(predictions=[(classes[reference.rpartition("-")[2]], 1.0)])

    monkeypatch.setattr(networks, "inspector", lambda: SimpleNamespace(inspect=inspect))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({"teacher": "cat", "student": "cat", "twin": "frog"}, "chelsea.png"),
        ({"teacher": "cat", "student": "cat", "twin": "cat"}, ""),
        ({"teacher": "cat", "student": "dog", "twin": "frog"}, ""),
        ({"teacher": "dog", "student": "cat", "twin": "frog"}, ""),
    ],
)
def test_the_twin_alone_is_wrong(seen, expected, found, monkeypatch):
    predicting(monkeypatch, **seen)
    assert opening.sample(found) == expected


def test_without_all_three_networks_no_photo_is_one(found, monkeypatch):
    predicting(monkeypatch, teacher="cat", student="cat", twin="frog")
    assert opening.sample([each for each in found if each.reference != "cifar10-twin"]) == ""
    assert opening.sample([]) == ""


def test_the_bundled_networks_open_with_a_photograph(found):
    assert opening.sample(found) == "chelsea.png"


def test_the_photo_says_why_it_is_shown_first():
    offered = [photo_choice._sample(each) for each in samples.found()]
    first = photo_choice._first(offered, "chelsea.png")
    assert (first.id, first.notes[-1]) == ("chelsea.png", opening.RULE)
    assert opening.RULE not in photo_choice._first(offered, "").notes
