"""TensorBoard event files of runs, read back by TensorBoard's own reader."""

import logging
from pathlib import Path

import pytest

from kdcore import events as ev
from kdcore.recipe import ModelRecipe, Recipe
from kdcore.store import Store
from kdcore.store.event_files import EventFiles, convert

reading = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag -> (step, value) of every record in a folder, without any of TensorBoard's clearing of repeated steps."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in folder.iterdir():
        for event in reading.LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def started(step: int = 0) -> ev.RunStarted:
    return ev.RunStarted(step, 8, 2, "cpu", "fp32", ("a", "b"), 64, 64, {"student": 10}, resumed=step > 0)


def stepped(step: int, loss: float) -> ev.StepEnded:
    return ev.StepEnded(step, step / 4, {"student": {"total": loss}}, {}, {}, {}, 1e-3, 100.0, {})


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "runs")


@pytest.fixture
def run_id(store) -> str:
    return store.create(Recipe(name="small", student=ModelRecipe(model="tiny"), epochs=2))


def happen(store: Store, run_id: str, files: EventFiles, *events: ev.Event) -> None:
    """Events as a job reports them: stored first, then heard by the listener."""
    with store.writer(run_id) as writer:
        for event in events:
            writer.append(event)
            files.take(run_id, event)


def test_a_run_that_resumes_has_no_step_twice(store, run_id):
    files = EventFiles(store)
    files.switch_on(run_id)
    happen(
        store,
        run_id,
        files,
        started(),
        stepped(1, 4.0),
        stepped(2, 3.0),
        stepped(3, 9.0),
        ev.RunStopped(3, "by a user"),
    )
    saved = ev.CheckpointSaved(2, 0.5, "checkpoints/2.safetensors")
    happen(store, run_id, files, saved, started(2), stepped(3, 2.0), stepped(4, 1.0), ev.RunStopped(4, "by a user"))
    assert read(files.folder(run_id))["loss/student/total"] == [(1, 4.0), (2, 3.0), (3, 2.0), (4, 1.0)]


def test_what_was_logged_last_is_written_when_the_run_ends(store, run_id):
    files = EventFiles(store)
    files.switch_on(run_id)
    end = ev.Evaluated(4, 1.0, "validation", {"student": {"top1": 0.5, "nll": 1.0}})
    happen(store, run_id, files, started(), stepped(4, 1.0), end, ev.RunFinished(4, {"student": {"top1": 0.5}}, 1.0))
    assert read(files.folder(run_id))["top1/student"] == [(4, 0.5)]


def test_runs_without_the_switch_have_no_files(store, run_id):
    files = EventFiles(store)
    happen(store, run_id, files, started(), stepped(1, 4.0))
    assert not files.folder(run_id).exists()


def test_a_folder_for_all_runs_holds_one_for_each(store, run_id, tmp_path):
    files = EventFiles(store, tmp_path / "logs")
    happen(store, run_id, files, started(), stepped(1, 4.0), ev.RunStopped(1, "by a user"))
    assert read(tmp_path / "logs" / run_id)["loss/student/total"] == [(1, 4.0)]


def test_every_run_writes_into_its_own_folder_where_that_was_asked_for(store, run_id):
    files = EventFiles(store)
    files.write_all()
    happen(store, run_id, files, started(), stepped(1, 4.0), ev.RunStopped(1, "by a user"))
    assert files.folder(run_id).parent == store.folder(run_id)
    assert read(files.folder(run_id))["loss/student/total"] == [(1, 4.0)]


def test_a_disk_that_fails_ends_the_files_and_not_the_run(store, run_id, tmp_path, caplog):
    (tmp_path / "logs").write_text("no folder")
    files = EventFiles(store, tmp_path / "logs")
    with caplog.at_level(logging.WARNING):
        happen(store, run_id, files, started(), stepped(1, 4.0))
    assert f"TensorBoard files of run {run_id} are not written any more" in caplog.text


def test_a_finished_run_is_converted_and_other_files_stay(store, run_id, tmp_path):
    happen(store, run_id, EventFiles(store), started(), stepped(1, 4.0), stepped(2, 3.0))
    (tmp_path / "logs" / run_id).mkdir(parents=True)
    (other := tmp_path / "logs" / run_id / "notes.txt").write_text("mine")
    for _ in range(2):
        made = convert(store, run_id, tmp_path / "logs")
    assert other.read_text() == "mine"
    other.unlink()
    assert read(made)["loss/student/total"] == [(1, 4.0), (2, 3.0)]


def test_tensorboard_itself_reads_the_file(store, run_id, tmp_path):
    accumulating = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    happen(store, run_id, EventFiles(store), started(), stepped(1, 4.0), stepped(2, 3.0))
    found = accumulating.EventAccumulator(str(convert(store, run_id, tmp_path)))
    found.Reload()
    assert [(each.step, each.value) for each in found.Scalars("loss/student/total")] == [(1, 4.0), (2, 3.0)]
    assert found.Scalars("loss/student/total")[0].wall_time == pytest.approx(store.state(run_id).created, abs=60)
