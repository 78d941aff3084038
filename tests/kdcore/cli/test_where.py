"""How the runs of a study on a cluster are shown, and what is said where its libraries are missing."""

import json
import sys

import pytest

from kdcore import events as ev
from kdcore.cli import main, where
from kdcore.cluster import optional
from kdcore.errors import UserError
from kdcore.recipe import study as studies
from kdcore.store import Store, Studies

STARTED = ev.RunStarted(0, 20, 2, "cpu", "exact", ("a", "b"), 10, 10, {"student": 1})
RESULTS = {"student": {"top1": 0.5, "low": 0.4, "high": 0.6, "count": 100}}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of two runs: its id and places."""
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    plain = {"name": "mine", "recipe": {"student": {"model": "tiny"}, "terms": [{"method": "ce"}]}, "seeds": [0, 1]}
    known = Studies(Store(tmp_path / "runs"))
    study_id = known.create(studies.from_plain(plain))
    for place in known.state(study_id).places:
        known.store.create(place.point.recipe, place.run_id)
    return known, study_id, [place.run_id for place in known.state(study_id).places]


def test_a_line_for_each_run_that_begins_moves_or_ends_and_no_line_twice(study, capsys):
    known, study_id, (first, second) = study
    with known.store.writer(first) as one, known.store.writer(second) as two:
        one.append(STARTED)
        two.append(ev.Queued())
        with where.shown(where.Where(on="ray"), study_id) as look:
            look()
            one.append(ev.Noted("The worker on ann was lost at step 7.", "warning"))
            look()
            one.append(ev.RunFinished(20, RESULTS, 1.0))
            look()
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("mine:")]
    assert lines == [
        "mine: as it is, seed 0: running",
        "mine: as it is, seed 0: The worker on ann was lost at step 7.",
        "mine: as it is, seed 0: finished",
    ]


def test_as_json_every_event_is_a_line_once(study, capsys):
    known, study_id, (first, second) = study
    with (
        known.store.writer(first) as one,
        known.store.writer(second) as two,
        where.shown(where.Where(on="ray", as_json=True), study_id) as look,
    ):
        one.append(STARTED)
        look()
        two.append(ev.RunFailed("no memory"))
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["run"], line["event"]) for line in found] == [(first, "RunStarted"), (second, "RunFailed")]


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    with pytest.raises(
        UserError, match=r"A search needs the package optuna, .* -m pip install -r requirements-cluster.txt"
    ):
        optional.load("optuna", "A search")
    assert main(["study", "temperature", "--on", "ray"]) == 1
    assert "A study on Ray needs the package ray, which cannot be imported here" in capsys.readouterr().err
    assert not (tmp_path / "runs" / "studies").exists()
