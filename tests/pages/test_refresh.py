"""Parts of a page refresh while a run is active, for visitors less often."""

import pytest

from pages.parts import refresh


@pytest.fixture
def every(monkeypatch):
    """The seconds between two draws."""
    monkeypatch.setattr(refresh.st, "fragment", lambda draw, run_every: run_every)
    return lambda active: refresh.refreshing(print, active, 2.0)


def test_an_operators_page_refreshes_as_often_as_it_says(every):
    assert every(True) == 2.0
    assert every(False) is None


def test_a_visitors_page_refreshes_less_often(every, visiting):
    assert every(True) == 5.0
    assert every(False) is None
