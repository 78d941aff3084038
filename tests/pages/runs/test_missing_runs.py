"""Runs of an address that do not exist are named; the others are shown."""

import pytest

from kdcore.errors import clipped
from pages.parts.formatting import as_text


@pytest.mark.parametrize("run_id", ["nope", "../..", "a" * 5000, "![x](http://evil.example)"])
def test_a_run_of_the_address_that_does_not_exist_is_named(open_page, make_run, run_id):
    own = make_run()
    at = open_page("runs.py", run=[run_id, own])
    assert not at.exception
    assert at.warning[0].value.startswith(f"No run {as_text(repr(clipped(run_id, 60)))}. It may have been deleted.")
    assert at.subheader[0].value == "quick"  # the other one is shown


def test_a_run_that_does_not_exist_is_named_where_there_is_none_at_all(open_page):
    at = open_page("runs.py", run=["one", "two", "three", "four"])
    assert at.warning[0].value == "No run 'one', 'two', 'three' and 1 more. It may have been deleted."
