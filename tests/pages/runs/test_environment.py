"""What a run was computed with, on its page."""

import json

import pytest

from kdcore.store.run_files import environment as environments
from pages.parts.runs import environment

ENTRY = {
    "time": "2026-11-28T20:48:38Z",
    "versions": {"python": "3.11.7", "torch": "2.9.0"},
    "code": {"commit": "968b036d207cf0f3a13712369a840fb68802c02c", "modified": True},
    "device": "CPU, 2 threads",
    "weights": {
        "teacher": {"file": "/srv/secret/cues-teacher.safetensors", "sha256": "df78585b60984d04c698f2ccf1c700"}
    },
    "data": {"train": {"images": 90, "sha256": "30e7307c20c5b9ee72379fd4b7fc67316f0b7473ca0d2c0db"}},
}


def test_the_page_of_a_run_shows_it_without_folders_of_the_server(open_page, runner, make_run):
    run_id = make_run()
    other = {**ENTRY, "versions": {**ENTRY["versions"], "torch": "2.9.1"}}
    (runner.store.folder(run_id) / environments.NAME).write_text(json.dumps([ENTRY, other]))
    test = open_page("train.py", run=run_id, more="Recipe and log")
    assert not test.exception
    shown = [table.value.to_string() for table in test.table if "968b036d207c" in table.value.to_string()]
    assert len(shown) == 1
    assert "python 3.11.7, torch 2.9.0" in shown[0]
    assert "commit 968b036d207c, with changes that are not committed" in shown[0]
    assert "cues" in shown[0]
    assert "/srv/secret" not in shown[0]
    assert any("Resumed in another environment: torch 2.9.0 before, 2.9.1 now." in c.value for c in test.caption)


@pytest.mark.parametrize(
    "entry", [{}, {"versions": 3, "weights": {"teacher": []}, "data": [], "code": None}, {"device": []}]
)
def test_an_entry_that_was_edited_by_hand_shows_what_can_be_read(entry):
    assert all(isinstance(text, str) for text in environment.lines(entry).values())


def test_a_run_of_an_earlier_version_shows_nothing(open_page, make_run):
    test = open_page("train.py", run=make_run())
    assert not test.exception
    assert not any("Computed with" in caption.value for caption in test.caption)
