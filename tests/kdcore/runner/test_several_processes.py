"""A run in two processes is controlled like one in a single process; one process that dies ends it in words."""

import json
import os
import time
from typing import Any

import pytest
import torch

from kdcore import plugins
from kdcore.cli import main
from kdcore.errors import UserError
from kdcore.paths import PROJECT
from kdcore.runner import Runner, companions
from kdcore.runtime import processes
from kdcore.store import Store
from tests import warm
from tests.kdcore.plugins.conftest import EXAMPLES
from tests.kdcore.runner import controlled
from tests.kdcore.training.test_several_processes import free_port, torchrun


@pytest.fixture(scope="module", autouse=True)
def plugin(tmp_path_factory):
    """A method of one's own that the runs use, in the environment of both processes."""
    path = tmp_path_factory.mktemp("plugins") / "margin.py"
    path.write_text(EXAMPLES["margin.py"], encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(plugins.VARIABLE, str(path))
        yield path


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Store, list[str]]:
    """The runs of two processes, of which the second is killed in the third run."""
    folder, port = tmp_path_factory.mktemp("controlled"), free_port()
    commands = ["-m", "tests.kdcore.runner.controlled", str(folder)], ["-m", "kdcore", "distill", "quick"]
    with (folder / "output").open("wb") as output:
        first, second = (
            warm.start(
                arguments, cwd=PROJECT, env={**torchrun(rank, port), "KD_RUNS": str(folder / "runs")}, output=output
            )
            for rank, arguments in enumerate(commands)
        )
        said = (folder / "output").read_text
        until(lambda: (folder / "waits").exists() or first.poll() is not None, said)
        second.kill()
        second.wait(60)
        (folder / "killed").touch()
        assert first.wait(300) == 1, said()[-4000:]  # as torchrun expects of a process whose run failed
    return Store(folder / "runs"), (folder / "ids").read_text().split()


@pytest.fixture(scope="module")
def of_one(tmp_path_factory) -> tuple[Store, list[str]]:
    """The same runs in one process."""
    made = Runner(Store(tmp_path_factory.mktemp("one") / "runs"), device="cpu", threads=1)
    (plain,) = made.start(controlled.RECIPE)
    assert made.wait(plain, controlled.PATIENCE)
    found = [controlled.turned(made), plain]
    made.close()
    return made.store, found


def until(condition, said, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, said()[-4000:]
        time.sleep(0.02)


def logged(store: Store, run_id: str, kind: str = "StepEnded") -> list[dict[str, Any]]:
    lines = (store.folder(run_id) / "events.jsonl").read_text().splitlines()
    return [event for line in lines if (event := json.loads(line))["event"] == kind]


def losses(store: Store, run_id: str) -> dict[str, float]:
    """By step, network and term; the last ones of a step that was taken twice."""
    return {
        f"{event['step']} {network} {term}": loss
        for event in logged(store, run_id)
        for network, terms in event["losses"].items()
        for term, loss in terms.items()
    }


def test_a_pause_and_changed_settings_reach_all_processes(runs, of_one):
    (store, (run_id, *_)), (other, (expected, _)) = runs, of_one
    assert store.state(run_id).status == "finished"
    assert losses(store, run_id) == pytest.approx(losses(other, expected), rel=1e-5, abs=1e-5)
    assert [event["knob"] for event in logged(store, run_id, "KnobTurned")] == ["learning_rate", "weight/kd"]
    assert any(
        event["text"] == "Training in 2 processes, which share each batch." for event in logged(store, run_id, "Noted")
    )


def test_a_plugin_is_used_in_all_processes(runs, plugin):
    store, (run_id, *_) = runs
    assert any(name.endswith("student margin") for name in losses(store, run_id))
    assert store.environment(run_id)[-1]["plugin"]["method margin"]["file"] == str(plugin)


def test_a_terminal_shows_no_warning_about_torchs_own_settings(runs, monkeypatch):
    store, _ = runs
    output = (store.root.parent / "output").read_text()
    assert "broadcast_buffers" not in output
    for name in processes.VARIABLES:
        monkeypatch.setenv(name, "2")
    monkeypatch.delenv("TORCH_CPP_LOG_LEVEL", raising=False)
    monkeypatch.setattr(companions, "run", lambda command: 0)
    assert main(["methods"]) == 0
    assert os.environ.pop("TORCH_CPP_LOG_LEVEL") == "ERROR"  # read when torch is loaded: find_unused_parameters


def test_a_stopped_run_goes_on_where_it_was(runs, of_one):
    (store, (_, run_id, _)), (other, (_, expected)) = runs, of_one
    assert store.state(run_id).status == "finished"
    assert losses(store, run_id) == pytest.approx(losses(other, expected), rel=1e-5, abs=1e-5)


def test_the_events_are_those_of_one_process(runs, of_one):
    (store, (_, run_id, _)), (other, (_, expected)) = runs, of_one
    for kind in ("Evaluated", "RunFinished"):
        own, one = logged(store, run_id, kind), logged(other, expected, kind)
        assert [event["step"] for event in own] == [event["step"] for event in one]
        assert own[-1].keys() == one[-1].keys()


def test_a_process_that_dies_ends_the_run_in_words_and_the_run_resumes(runs, of_one):
    (store, (_, _, run_id)), (other, (_, expected)) = runs, of_one
    state = store.state(run_id)
    assert state.status == "failed"
    assert state.reason.startswith("Process 1 of 2 ended: it was killed, or its machine is gone.")
    assert "Resume the run from its last checkpoint, with any number of processes." in state.reason
    alone = Runner(store, device="cpu", threads=1)
    alone.resume(run_id)
    assert alone.wait(run_id, controlled.PATIENCE)
    alone.close()
    assert store.state(run_id).status == "finished"
    assert losses(store, run_id) == pytest.approx(losses(other, expected), rel=1e-5, abs=1e-5)


def test_a_program_of_ones_own_under_torchrun_is_refused(tmp_path, monkeypatch):
    for name, value in torchrun(1, 1).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        UserError, match=r"started in 2 processes .*torchrun --nproc-per-node N -m kdcore distill RECIPE"
    ):
        Runner(Store(tmp_path), device="cpu")


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match=r"2 processes .* with 1 GPU: use --nproc-per-node 1, or --device cpu"):
        companions.own_device("cuda")
    with pytest.raises(UserError, match="on cuda or cpu, not on mps"):
        companions.own_device("mps")
