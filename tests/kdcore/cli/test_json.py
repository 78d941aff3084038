"""What `--json` prints is JSON for strict readers: null where a number is not finite."""

import json
import math

import pytest

from kdcore import api
from kdcore import events as ev
from kdcore.cli.main import main
from kdcore.paths import PROJECT
from kdcore.store import Store


def strict(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def run_id(tmp_path, monkeypatch, tiny):
    monkeypatch.setenv("KD_RUNS", str(tmp_path))
    store = Store(tmp_path)
    run_id = store.create(tiny())
    with store.writer(run_id) as writer:
        writer.append(
            ev.Evaluated(
                step=1,
                epoch=1.0,
                split="validation",
                metrics={"student": {"top1": 0.1, "nll": math.nan, "ece": math.inf}},
            )
        )
        writer.append(ev.RunFinished(step=1, seconds=1.0, results={"student": {"top1": 0.1, "nll": -math.inf}}))
    return run_id


@pytest.mark.parametrize("command", [("runs", "--json"), ("runs", "show", "ID"), ("runs", "show", "ID", "--json")])
def test_a_run_that_diverged_is_json(run_id, capsys, command):
    assert main([run_id if word == "ID" else word for word in command]) == 0
    (shown,) = [strict(capsys.readouterr().out)] if "show" in command else strict(capsys.readouterr().out)[:1]
    assert shown["id"] == run_id
    assert shown["latest"]["student"] == {"top1": 0.1, "nll": None, "ece": None}
    assert shown["results"]["student"]["nll"] is None


def test_all_commands_print_by_the_same_function():
    for path in (PROJECT / "kdcore" / "cli").glob("*.py"):
        assert "json.dumps" not in path.read_text(encoding="utf-8"), f"{path.name}: take results.json_text"


def finished(tmp_path, tiny, only_student: int, only_twin: int, count: int, turned: bool = False) -> str:
    """A finished run with the 95 % interval of its difference in its events, as training stores it."""
    store = Store(tmp_path)
    run_id = store.create(tiny())
    gap = (only_student - only_twin) / count
    figures = {"top1": 0.5 + gap, "low": 0.4, "high": 0.6, "count": count}
    twin = {**figures, "top1": 0.5}
    counts = {"only_first": only_student, "only_second": only_twin}
    difference = {"top1": gap, "low": gap - 0.05, "high": gap + 0.05, "mcnemar": 0.01, **counts}
    results = {"student": figures, "twin": twin, "difference": difference}
    with store.writer(run_id) as writer:
        if turned:
            writer.append(ev.KnobTurned(1, "weight/kd", 2.0))
        writer.append(ev.RunFinished(step=2, seconds=1.0, results=results))
    return run_id


@pytest.mark.parametrize("command", [("runs", "--json"), ("runs", "show", "ID")])
@pytest.mark.parametrize(
    "only_student, only_twin, count, turned, words",
    [
        (20, 0, 49, False, "+40.8 percentage points: no conclusion, only 49 test images (50 are needed)."),
        (6, 3, 100, False, "+3.0 percentage points: no conclusion, only one of the two is right on 9 of 100 test images"),
        (60, 9, 400, True, "+12.8 percentage points: no conclusion, a user changed settings during the run (weight of kd)."),
    ],
)  # fmt: skip
def test_where_nothing_may_be_claimed_the_json_of_a_run_has_neither_an_interval_nor_a_p_value(
    tmp_path, monkeypatch, tiny, capsys, command, only_student, only_twin, count, turned, words
):
    monkeypatch.setenv("KD_RUNS", str(tmp_path))
    run_id = finished(tmp_path, tiny, only_student, only_twin, count, turned)
    assert main([run_id if word == "ID" else word for word in command]) == 0
    found = strict(capsys.readouterr().out)
    shown = found if "show" in command else found[0]
    assert shown["conclusion"].startswith(words)
    assert set(shown["results"]["difference"]) == {"top1", "only_first", "only_second"}
    assert set(api.Run(run_id, Store(tmp_path)).results["difference"]) == {"top1", "only_first", "only_second"}


@pytest.mark.parametrize("command", [("runs", "--json"), ("runs", "show", "ID")])
def test_where_something_is_claimed_the_json_has_the_interval_of_the_sentence(
    tmp_path, monkeypatch, tiny, capsys, command
):
    """60 images against 9: by McNemar's test z = 51 / sqrt(69) = 6.1, so 0 is left out."""
    monkeypatch.setenv("KD_RUNS", str(tmp_path))
    run_id = finished(tmp_path, tiny, 60, 9, 400)
    assert main([run_id if word == "ID" else word for word in command]) == 0
    found = strict(capsys.readouterr().out)
    shown = found if "show" in command else found[0]
    low, high = (100 * shown["results"]["difference"][end] for end in ("low", "high"))
    assert 0 < low < 12.75 < high
    assert f"(95 % interval +{low:.1f} to +{high:.1f}): the student is better than its twin." in shown["conclusion"]
