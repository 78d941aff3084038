"""What `--json` prints is JSON for strict readers: null where a number is not finite."""

import json
import math

import pytest

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
