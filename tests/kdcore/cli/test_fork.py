import pytest

from kdcore.cli import main
from kdcore.cli.options import store
from kdcore.runner import Runner


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("KD_THREADS", "1")


def test_settings_and_step_reach_the_runner(monkeypatch):
    asked = {}

    def fork(self, run_id, changes, **more):
        asked.update(run=run_id, changes=changes, **more)
        return store().ids()[0]  # a finished recording, so that nothing is waited for

    monkeypatch.setattr(Runner, "fork", fork)
    command = ["runs", "fork", "20261128-tiny", "--set", "epochs=4", "--set", "terms.1.weight=0.5", "--step", "12"]
    assert main(command) == 0
    assert asked == {
        "run": "20261128-tiny", "changes": {"epochs": 4, "terms.1.weight": 0.5}, "step": 12, "schedules": "stretched",
        "add": [], "remove": [],
    }  # fmt: skip
    command = ["runs", "fork", "a", "--add", "{method: sp, weight: 2}", "--remove", "kd", "--schedules", "continued"]
    assert main(command) == 0
    assert (asked["add"], asked["remove"], asked["schedules"]) == ([{"method": "sp", "weight": 2}], ["kd"], "continued")


def test_a_term_to_add_is_a_mapping(capsys):
    assert main(["runs", "fork", "any", "--add", "sp"]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert '--add sp is not a term, for example --add "{method: sp, weight: 1}".' in said


def test_a_run_without_checkpoints_is_not_forked(capsys):
    (recording,) = store().ids()
    assert main(["runs", "fork", recording]) == 1
    said = capsys.readouterr().err
    assert "is finished and has no checkpoint to start from: train its recipe again, and fork that run." in " ".join(
        said.split()
    )
    assert store().ids() == [recording]


def test_a_change_that_is_none_is_refused(capsys):
    assert main(["runs", "fork", "any", "--set", "epochs"]) == 1
    assert "'epochs' is not KEY=VALUE, for example data.labels=500." in capsys.readouterr().err
