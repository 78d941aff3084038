import json
import os
import shutil
from pathlib import Path

import pytest

from kdcore import recipe as recipes
from kdcore.events import Evaluated, KnobTurned, RunFinished, RunStarted, RunStopped, StepEnded
from kdcore.store import Store, held
from kdcore.store.replay import replay
from kdcore.store.replay.history import History

RECIPE = recipes.from_plain({"name": "small", "student": {"model": "resnet20"}, "epochs": 5})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folds are kept after a few events, not after some MiB, and events are read a few at a time."""
    monkeypatch.setattr(replay, "CACHE_BYTES", 1000)
    monkeypatch.setattr(replay, "READ_BYTES", 700)


def step(number: int, loss: float = 1.0) -> StepEnded:
    losses = {"student": {"total": loss, "kd": float("nan")}}
    return StepEnded(number, number / 20, losses, {"kd": 1.0}, {"kd": 0.3}, {"kd": 4.0}, 1e-3, 250.0, {"student": 0.5})


def started(step: int = 0, *, resumed: bool = False) -> RunStarted:
    return RunStarted(step, 100, 5, "cpu", "fp32", ("cat", "ship"), 1000, 500, {"student": 7}, {"top1": 0.9}, resumed)


def write(root: Path, *events, run_id: str | None = None) -> str:
    store = Store(root)
    run_id = run_id or store.create(RECIPE)
    with store.writer(run_id) as writer:
        for event in events:
            writer.append(event)
    return run_id


def finished(root: Path) -> str:
    steps = [step(number, 1 / number) for number in range(1, 40)]
    evaluated = Evaluated(39, 2.0, "validation", {"student": {"top1": 0.4, "nll": 1.0, "ece": 0.1, "count": 100.0}})
    end = RunFinished(100, {"student": {"top1": 0.8}}, 9.0)
    return write(root, started(), *steps, KnobTurned(39, "learning_rate", 0.5), evaluated, end)


def unread(monkeypatch) -> None:
    monkeypatch.setattr(History, "take", lambda self, event: pytest.fail("an event was folded again"))


def plain(store: Store, run_id: str):
    return {
        name: (steps.tolist(), values.tolist().__repr__()) for name, (steps, values) in store.series(run_id).items()
    }


def test_the_state_of_a_run_that_is_over_is_kept_for_the_next_process(root, monkeypatch):
    run_id = finished(root)
    state = Store(root).state(run_id)
    unread(monkeypatch)
    assert Store(root).state(run_id) == state
    assert Store(root).states() == [state]


def test_a_run_that_went_on_is_folded_anew(root):
    run_id = write(root, started(), step(1), RunStopped(1, "by hand"))
    assert Store(root).state(run_id).status == "stopped"
    write(root, step(2), RunFinished(100, {}, 9.0), run_id=run_id)
    assert (Store(root).state(run_id).status, Store(root).state(run_id).step) == ("finished", 100)


def test_an_interrupted_run_that_somebody_works_on_again_is_active(root):
    run_id = write(root, started(), step(1))
    store = Store(root)
    assert store.state(run_id).status == "interrupted"
    with Store(root).writer(run_id):
        assert store.state(run_id).status == "running"
        assert Store(root).state(run_id).status == "running"
    assert store.state(run_id).status == "interrupted"


@pytest.mark.usefixtures("early")
def test_a_long_runs_series_are_kept_and_read_on_from_there(root):
    run_id = finished(root)
    first = Store(root)
    before = plain(first, run_id)
    write(root, started(39, resumed=True), step(40, 5.0), run_id=run_id)
    again, whole = Store(root), Store(root)
    kept = root / run_id / "folded.npz"
    assert kept.is_file()
    assert len(again.series(run_id)["loss/student/total"][0]) == 40
    kept.unlink()
    assert plain(again, run_id) == plain(whole, run_id) != before
    assert again.state(run_id) == whole.state(run_id)


@pytest.mark.usefixtures("early")
def test_what_is_kept_is_not_folded_again(root, monkeypatch):
    run_id = finished(root)
    series = plain(Store(root), run_id)
    unread(monkeypatch)
    assert plain(Store(root), run_id) == series


@pytest.mark.usefixtures("early")
@pytest.mark.parametrize("name", ["folded.json", "folded.npz"])
@pytest.mark.parametrize("harm", ["half", "nonsense", "empty"])
def test_what_is_damaged_is_folded_again(root, name, harm):
    run_id = finished(root)
    store = Store(root)
    state, series = store.state(run_id), plain(store, run_id)
    path = root / run_id / name
    content = {"half": path.read_bytes()[: path.stat().st_size // 2], "nonsense": b"[1, 2]", "empty": b""}[harm]
    path.write_bytes(content)
    assert Store(root).state(run_id) == state
    assert plain(Store(root), run_id) == series


@pytest.mark.usefixtures("early")
def test_events_that_were_edited_are_folded_again(root):
    run_id = finished(root)
    plain(Store(root), run_id)
    path = root / run_id / "events.jsonl"
    path.write_text(path.read_text().replace('"total": 1.0', '"total": 7.0').replace('"top1": 0.8', '"top1": 0.7'))
    assert Store(root).state(run_id).results == {"student": {"top1": 0.7}}
    assert Store(root).series(run_id)["loss/student/total"][1][0] == 7.0


@pytest.mark.usefixtures("early")
def test_a_copied_folder_has_its_own_name(root):
    run_id = finished(root)
    plain(Store(root), run_id)
    shutil.copytree(root / run_id, root / "20250101-000000-copy")
    state = Store(root).state("20250101-000000-copy")
    assert (state.id, state.status) == ("20250101-000000-copy", "finished")


def test_another_version_of_the_folding_folds_again(root):
    run_id = finished(root)
    state = Store(root).state(run_id)
    path = root / run_id / "folded.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps(kept | {"version": "older", "state": kept["state"] | {"name": "other"}}))
    assert Store(root).state(run_id) == state


def test_recordings_are_left_as_they_are(tmp_path):
    run_id = finished(tmp_path / "recorded")
    before = sorted(path.name for path in (tmp_path / "recorded" / run_id).iterdir())
    store = Store(tmp_path / "runs", recorded=tmp_path / "recorded")
    assert store.state(run_id).recorded
    assert sorted(path.name for path in (tmp_path / "recorded" / run_id).iterdir()) == before


def test_series_of_many_runs_are_read_again_when_they_are_asked_for(root, monkeypatch):
    monkeypatch.setattr(held, "HELD_REPLAYS", 2)
    ids = [finished(root) for _ in range(5)]
    store = Store(root)
    assert len(store.states()) == 5
    assert len(store._held._replays) <= 2
    assert all(len(store.series(run_id)["loss/student/total"][0]) == 39 for run_id in ids)


def test_a_folder_with_a_strange_name_is_a_run_like_any_other(root):
    run_id = finished(root)
    shutil.copytree(root / run_id, root / "20269999-999999-odd")
    assert {state.id for state in Store(root).states()} == {run_id, "20269999-999999-odd"}


def test_events_of_the_same_length_that_were_written_later_are_folded_again(root):
    run_id = finished(root)
    assert Store(root).state(run_id).results == {"student": {"top1": 0.8}}  # and is kept
    path = root / run_id / "events.jsonl"
    before = path.stat()
    path.write_text(path.read_text().replace('"top1": 0.8', '"top1": 0.7'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert path.stat().st_size == before.st_size
    assert Store(root).state(run_id).results == {"student": {"top1": 0.7}}


def test_a_state_that_was_edited_is_not_believed(root):
    run_id = finished(root)
    Store(root).state(run_id)
    path = root / run_id / "folded.json"
    path.write_text(path.read_text().replace('"top1": 0.8', '"top1": 0.9'))
    assert Store(root).state(run_id).results == {"student": {"top1": 0.8}}
