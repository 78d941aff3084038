import csv
import io
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from kdcore import paths
from kdcore import recipe as recipes
from kdcore.events import (
    CheckpointSaved,
    Evaluated,
    Event,
    GradientsMeasured,
    KnobTurned,
    LayersWeighted,
    Noted,
    ProbeTaken,
    Queued,
    RunFailed,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    RunStopped,
    StepEnded,
    TermMeasured,
    WeightAdapted,
)
from kdcore.paths import PROJECT
from kdcore.store import Store
from kdcore.store.run_files import writing

RECIPE = recipes.from_plain({"name": "Small & quick", "student": {"model": "resnet20"}, "epochs": 5})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs", recorded=tmp_path / "recorded")


def started(step: int = 0, *, resumed: bool = False) -> RunStarted:
    return RunStarted(step, 100, 5, "cpu", "fp32", ("cat", "ship"), 1000, 500, {"student": 7}, {"top1": 0.9}, resumed)


def step_ended(step: int, loss: float = 1.0) -> StepEnded:
    return StepEnded(
        step, step / 20, {"student": {"total": loss, "kd": loss / 2}, "twin": {"total": 2 * loss}}, {"kd": 1.0}, {"kd": 0.3},
        {"kd": 4.0}, 1e-3, 250.0, {"student": 0.5},
    )  # fmt: skip


def evaluated(step: int, top1: float) -> Evaluated:
    return Evaluated(step, step / 20, "validation", {"student": {"top1": top1, "nll": 1.0, "ece": 0.1, "count": 100.0}})


def checkpoint(step: int) -> CheckpointSaved:
    return CheckpointSaved(step, step / 20, f"checkpoints/{step:08d}.safetensors")


def written(store: Store, *events: Event) -> str:
    """A run that holds these events, and whose writer is gone."""
    run_id = store.create(RECIPE)
    with store.writer(run_id) as writer:
        for event in events:
            writer.append(event)
    return run_id


# --- the state is folded from the events --------------------------------------------------------------------------------


def test_a_run_goes_from_created_to_finished(store):
    run_id = store.create(RECIPE)
    assert store.state(run_id).status == "created"
    statuses = []
    with store.writer(run_id) as writer:
        for event in (
            Queued(), Noted("Reading images."), started(), step_ended(1), RunPaused(1), RunResumed(1),
            RunFinished(100, {"student": {"top1": 0.8}}, 9.0),
        ):  # fmt: skip
            writer.append(event)
            statuses.append(store.state(run_id).status)
    assert statuses == ["queued", "preparing", "running", "running", "paused", "running", "finished"]


def test_the_state_says_what_the_events_said(store):
    run_id = written(
        store, Queued(), Noted("Reading."), started(), step_ended(10), LayersWeighted(10, 0.5, "attention", (0.25, 0.75)),
        evaluated(10, 0.4), Evaluated(10, 0.5, "cue_conflict", {"student": {"top1": 0.1}}),
        ProbeTaken(10, 0.5, 0.01, arrays={"teacher": np.ones((1, 2, 2), np.float16)}), KnobTurned(11, "learning_rate", 0.5),
        step_ended(20), RunStopped(20, "Stopped by hand."),
    )  # fmt: skip
    state = store.state(run_id)
    assert (state.id, state.name, state.status, state.reason) == (
        run_id,
        "Small & quick",
        "stopped",
        "Stopped by hand.",
    )
    assert (state.step, state.steps, state.epoch, state.epochs, state.progress) == (20, 100, 1.0, 5, 0.2)
    assert (state.classes, state.device, state.train_images, state.labelled_images) == (
        ("cat", "ship"),
        "cpu",
        1000,
        500,
    )
    assert state.latest == {"student": {"top1": 0.4, "nll": 1.0, "ece": 0.1, "count": 100.0}}
    assert state.teacher == {"top1": 0.9}
    assert state.knobs == {"learning_rate": 0.5}
    assert [note["text"] for note in state.notes] == [
        "Reading.", "The learning rate was set to × 0.5 of the recipe's value by a user, after step 11."
    ]  # fmt: skip
    assert state.probes == ({"step": 10, "epoch": 0.5, "file": "probes/00000010.npz"},)
    assert state.layer_weights == ({"step": 10, "epoch": 0.5, "term": "attention", "weights": [0.25, 0.75]},)


def test_a_failed_run_keeps_its_reason_and_traceback(store):
    state = store.state(written(store, started(), step_ended(3), RunFailed("The disk is full.", "Traceback ...")))
    assert (state.status, state.reason, state.traceback, state.step) == (
        "failed",
        "The disk is full.",
        "Traceback ...",
        3,
    )


def test_the_remaining_time_follows_from_the_pace(store, monkeypatch):
    run_id, now = store.create(RECIPE), 1000.0
    monkeypatch.setattr(writing.time, "time", lambda: now)
    with store.writer(run_id) as writer:
        writer.append(started())
        assert store.state(run_id).remaining_seconds is None
        now += 4
        writer.append(step_ended(20))  # one epoch of 20 steps in 4 seconds
        assert store.state(run_id).remaining_seconds == pytest.approx(80 * 0.2)
        writer.append(RunPaused(20))
        assert store.state(run_id).remaining_seconds is None


def test_a_second_store_sees_the_same(store, tmp_path):
    run_id = written(store, started(), step_ended(1), RunStopped(1, "x"))
    assert Store(tmp_path / "runs").state(run_id) == store.state(run_id)


def test_only_what_is_new_is_read(store):
    run_id = store.create(RECIPE)
    with store.writer(run_id) as writer:
        before = store.version(run_id)
        writer.append(started())
        between = store.version(run_id)
        assert before == 0 < between == store.version(run_id)
        writer.append(step_ended(1))
        assert store.version(run_id) > between


def test_ids_are_newest_first_and_recordings_last(store, tmp_path, monkeypatch):
    made = []
    for second in range(3):
        monkeypatch.setattr(time, "strftime", lambda *_, second=second: f"20260101-00000{second}")
        made.append(store.create(RECIPE))
    shown = Store(tmp_path / "recorded").create(RECIPE)
    (tmp_path / "runs" / "no-run").mkdir()
    assert store.ids() == [*reversed(made), shown]
    assert [state.recorded for state in store.states()] == [False, False, False, True]
    assert made[0].startswith("20260101-000000-small-quick-")


# --- series and tables --------------------------------------------------------------------------------------------------


def test_series_are_every_number_over_time(store):
    run_id = written(
        store,
        started(),
        step_ended(1, 4.0),
        step_ended(2, 3.0),
        evaluated(2, 0.5),
        LayersWeighted(2, 0.1, "a", (0.4, 0.6)),
    )
    series = {name: (steps.tolist(), values.tolist()) for name, (steps, values) in store.series(run_id).items()}
    steps, seconds = series.pop("seconds")
    assert steps == [1, 2]
    assert 0 <= seconds[0] <= seconds[1] < 60  # since the run started
    assert series == {
        "loss/student/total": ([1, 2], [4.0, 3.0]),
        "loss/student/kd": ([1, 2], [2.0, 1.5]),
        "loss/twin/total": ([1, 2], [8.0, 6.0]),
        "share/kd": ([1, 2], [1.0, 1.0]),
        "weight/kd": ([1, 2], [0.3, 0.3]),
        "temperature/kd": ([1, 2], [4.0, 4.0]),
        "train_top1/student": ([1, 2], [0.5, 0.5]),
        "learning_rate": ([1, 2], [1e-3, 1e-3]),
        "images_per_second": ([1, 2], [250.0, 250.0]),
        "top1/student": ([2], [0.5]),
        "nll/student": ([2], [1.0]),
        "ece/student": ([2], [0.1]),
        "layer_weight/a/0": ([2], [0.4]),
        "layer_weight/a/1": ([2], [0.6]),
    }


def test_a_series_that_was_given_out_never_changes(store):
    run_id = store.create(RECIPE)
    with store.writer(run_id) as writer:
        writer.append(started())
        for step in range(1, 101):
            writer.append(step_ended(step, float(step)))
        steps, values = store.series(run_id)["loss/student/total"]
        writer.append(started(50, resumed=True))
        for step in range(51, 300):
            writer.append(step_ended(step, -1.0))
        assert store.series(run_id)["loss/student/total"][0].tolist() == list(range(1, 300))
    assert steps.tolist() == list(range(1, 101))
    assert values.tolist() == [float(step) for step in range(1, 101)]
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 0.0


def test_a_loss_that_is_not_a_number_is_kept_as_such(store):
    run_id = written(store, started(), step_ended(1, float("nan")))
    assert np.isnan(store.series(run_id)["loss/student/total"][1]).all()


def measured(step: int, share: float) -> GradientsMeasured:
    norms = {"ce": 2.0, "kd": 2.0 * share}
    return GradientsMeasured(
        step, step / 20, norms, {"ce": 1 - share, "kd": share}, {"kd": 30.0} if share < 0.01 else {}
    )


def test_what_terms_do_is_in_the_series_and_the_last_of_it_in_the_state(store):
    adapted = WeightAdapted(20, 1.0, "fitnets", 0.5, "kd no longer falls")
    run_id = written(
        store, started(), *(measured(step, step / 1000) for step in range(1, 13)), adapted,
        TermMeasured(20, 1.0, "fitnets", {"similarity": 0.7, "similarity/3": 0.8}), adapted,  # told again by a resumed run
    )  # fmt: skip
    series = {name: (steps.tolist(), values.tolist()) for name, (steps, values) in store.series(run_id).items()}
    assert series["gradient/kd"][1][0] == 0.002
    assert series["gradient_share/kd"] == (list(range(1, 13)), [step / 1000 for step in range(1, 13)])
    assert series["adapted/fitnets"] == ([20], [0.5])
    assert series["figure/fitnets/similarity"] == ([20], [0.7])
    assert series["figure/fitnets/similarity/3"] == ([20], [0.8])
    state = store.state(run_id)
    assert [found["step"] for found in state.gradients] == [8, 9, 10, 11, 12]
    assert (state.gradients[1]["idle"], state.gradients[2]["idle"]) == ({"kd": 30.0}, {})
    assert state.adaptations == (
        {"step": 20, "epoch": 1.0, "term": "fitnets", "factor": 0.5, "reason": "kd no longer falls"},
    )
    header = store.csv(run_id).splitlines()[0].split(",")
    assert {"gradient/kd", "gradient_share/kd", "adapted/fitnets", "figure/fitnets/similarity"} <= set(header)


def test_a_resumed_run_forgets_what_terms_did_after_its_checkpoint(store):
    run_id = written(
        store, started(), measured(5, 0.5), checkpoint(10), measured(15, 0.001),
        WeightAdapted(20, 1.0, "fitnets", 0.5, "x"), started(10, resumed=True),
    )  # fmt: skip
    state = store.state(run_id)
    assert [found["step"] for found in state.gradients] == [5]
    assert state.adaptations == ()
    assert "adapted/fitnets" not in store.series(run_id)


def test_csv_has_a_row_a_step_and_is_empty_where_nothing_was_measured(store):
    run_id = written(store, started(), step_ended(1, 4.0), step_ended(2, 3.0), evaluated(2, 0.5))
    rows = list(csv.DictReader(io.StringIO(store.csv(run_id))))
    assert [row["step"] for row in rows] == ["1", "2"]
    assert [row["loss/student/total"] for row in rows] == ["4.0", "3.0"]
    assert [row["top1/student"] for row in rows] == ["", "0.5"]


def test_csv_of_a_run_without_numbers_is_a_header(store):
    assert store.csv(store.create(RECIPE)).split() == ["step"]


# --- probes -------------------------------------------------------------------------------------------------------------


def test_the_arrays_of_a_probe_lie_beside_the_events(store):
    maps = np.arange(8, dtype=np.float16).reshape(2, 2, 2)
    run_id = written(store, started(), ProbeTaken(7, 0.1, 0.01, arrays={"teacher": maps}))
    (probe,) = store.state(run_id).probes
    np.testing.assert_array_equal(store.probe(run_id, probe["file"])["teacher"], maps)
    assert "teacher" not in (store.folder(run_id) / "events.jsonl").read_text().splitlines()[-1]


@pytest.mark.parametrize(
    "file", ["probes/9.npz", "../secret.npz", "probes/../recipe.yaml", "/etc/passwd", "recipe.yaml", ""]
)
def test_a_probe_is_read_from_its_folder_only(store, file):
    run_id = written(store, started(), ProbeTaken(7, 0.1, 0.01, arrays={"teacher": np.ones(1)}))
    with pytest.raises(ValueError, match="has no probe"):
        store.probe(run_id, file)


# --- names --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run_id", ["..", ".", "../secret", "/etc", "", "a/b", "a\x00b", "runs\n", ".hidden"])
def test_no_name_leads_out_of_the_folder(store, tmp_path, run_id):
    for place in (tmp_path, tmp_path / "runs", tmp_path / "secret", tmp_path / "runs" / ".hidden"):
        place.mkdir(exist_ok=True)
        (place / "recipe.yaml").write_text(RECIPE.to_yaml())
    with pytest.raises(ValueError, match="There is no run"):
        store.state(run_id)
    with pytest.raises(ValueError, match="There is no run"):
        store.delete(run_id)
    assert store.ids() == []


def test_a_name_with_strange_letters_becomes_a_plain_folder(store):
    run_id = store.create(recipes.from_plain({"name": "../Über/größe 🎓", "student": {"model": "resnet20"}}))
    assert store.ids() == [run_id]
    assert store.folder(run_id).parent == store.root
    assert store.recipe(run_id).name == "../Über/größe 🎓"


# --- one writer, and its end --------------------------------------------------------------------------------------------


def test_a_second_writer_is_refused(store):
    run_id = store.create(RECIPE)
    with store.writer(run_id), pytest.raises(ValueError, match="is being written by another process; stop it there"):
        store.writer(run_id).__enter__()
    with store.writer(run_id):
        pass  # the first one is gone


def test_readers_do_not_keep_a_writer_out(store):
    run_id = written(store, started(), step_ended(1))
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            store.state(run_id)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(50):
            with store.writer(run_id):
                assert store.state(run_id).status == "running"
    finally:
        over.set()
        for reader in readers:
            reader.join()


def test_a_half_written_line_is_not_read_and_a_new_writer_cuts_it_off(store):
    run_id = written(store, started(), step_ended(1))
    path = store.folder(run_id) / "events.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event": "StepEnded", "step": 2, "lo')
    assert store.state(run_id).step == 1
    with store.writer(run_id) as writer:
        writer.append(step_ended(3))
    assert store.state(run_id).step == 3
    assert path.read_bytes().startswith(whole)
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == [
        "RunStarted",
        "StepEnded",
        "StepEnded",
    ]


def test_a_damaged_line_costs_no_other(store):
    run_id = written(store, started(), step_ended(1))
    path = store.folder(run_id) / "events.jsonl"
    path.write_bytes(path.read_bytes() + b"\x00\x00\x00\n[]\n")
    with store.writer(run_id) as writer:
        writer.append(step_ended(2))
    state = store.state(run_id)
    assert state.step == 2
    assert [note["text"] for note in state.notes] == ["A damaged line of events.jsonl was skipped."] * 2
    assert store.series(run_id)["learning_rate"][0].tolist() == [1, 2]


def test_a_run_whose_writer_left_without_a_word_was_interrupted(store):
    run_id = store.create(RECIPE)
    with store.writer(run_id) as writer:
        writer.append(started())
        assert store.state(run_id).status == "running"
    state = store.state(run_id)
    assert (state.status, state.reason) == ("interrupted", "The process that trained it has ended.")


def test_a_run_that_nobody_began_is_interrupted_after_a_while(store, monkeypatch):
    run_id = store.create(RECIPE)
    assert store.state(run_id).status == "created"
    later = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: later)
    assert store.state(run_id).status == "interrupted"


KILLED = """
import sys, time
from pathlib import Path
from kdcore.events import RunStarted, Noted
from kdcore.store import Store
store = Store(Path(sys.argv[1]))
with store.writer(sys.argv[2]) as writer:
    writer.append(RunStarted(0, 100, 5, "cpu", "fp32", ("cat",), 10, 10, {}))
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_run_of_another_process_is_alive_until_it_is_killed(store):
    run_id = store.create(RECIPE)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(store.root), run_id], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert store.state(run_id).status == "running"
            with pytest.raises(ValueError, match="another process"):
                store.writer(run_id).__enter__()
            with pytest.raises(ValueError, match="stop it before deleting"):
                store.delete(run_id)
        finally:
            os.kill(process.pid, signal.SIGKILL)
    assert store.state(run_id).status == "interrupted"
    with store.writer(run_id) as writer:  # and can go on
        writer.append(started(0))
        assert store.state(run_id).status == "running"


# --- resuming -----------------------------------------------------------------------------------------------------------


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(store):
    maps = {"teacher": np.ones(1)}
    run_id = written(
        store, started(), step_ended(10, 1.0), evaluated(10, 0.4), KnobTurned(10, "weight/kd", 0.5), checkpoint(10),
        step_ended(20, 2.0), evaluated(20, 0.9), LayersWeighted(20, 1.0, "a", (1.0,)), ProbeTaken(20, 1.0, 0.1, arrays=maps),
        KnobTurned(20, "weight/kd", 0.1), checkpoint(20), step_ended(30),
    )  # fmt: skip
    assert store.state(run_id).status == "interrupted"
    with store.writer(run_id) as writer:
        writer.append(Queued())
        writer.append(started(10, resumed=True))
        state = store.state(run_id)
        assert (state.status, state.step, state.epoch, state.reason) == ("running", 10, 0.5, "")
        assert state.latest["student"]["top1"] == 0.4
        assert state.knobs == {"weight/kd": 0.5}
        assert (state.probes, state.layer_weights) == ((), ())
        assert [saved["step"] for saved in state.checkpoints] == [10]
        writer.append(step_ended(20, 7.0))
    steps, values = store.series(run_id)["loss/student/total"]
    assert (steps.tolist(), values.tolist()) == ([10, 20], [1.0, 7.0])
    assert store.series(run_id)["top1/student"][1].tolist() == [0.4]
    assert "layer_weight/a/0" not in store.series(run_id)


def test_a_run_that_begins_again_from_the_start_forgets_everything(store):
    run_id = written(store, started(), step_ended(10), evaluated(10, 0.4), started(), step_ended(5))
    assert store.series(run_id)["learning_rate"][0].tolist() == [5]
    assert store.state(run_id).latest == {}


def test_time_between_a_kill_and_the_resumption_does_not_count(store, monkeypatch):
    clock = iter([1000.0, 1010.0, 1010.0, 5000.0, 5003.0, 5008.0, 9000.0, 9001.0])
    monkeypatch.setattr(time, "time", lambda: next(clock))
    run_id = store.create(RECIPE)
    with store.writer(run_id) as writer:
        for event in (
            started(), step_ended(10), checkpoint(10),  # killed here, ten seconds after its start
            Queued(), started(10, resumed=True), RunStopped(20, "x"),  # five more
            Queued(), RunStopped(20, "x"),  # stopped before it began
        ):  # fmt: skip
            writer.append(event)
    assert store.state(run_id).active_seconds == pytest.approx(10 + 5)


def test_the_newest_checkpoint_that_is_still_there_is_found(store):
    run_id = written(store, started(), checkpoint(10), checkpoint(20), checkpoint(30))
    assert store.checkpoint(run_id) is None
    folder = store.folder(run_id) / "checkpoints"
    folder.mkdir()
    for step in (10, 20):
        (folder / f"{step:08d}.safetensors").touch()
    assert store.checkpoint(run_id) == folder / "00000020.safetensors"


# --- deleting, recordings -----------------------------------------------------------------------------------------------


def test_an_active_run_is_not_deleted_and_an_ended_one_is(store):
    run_id = store.create(RECIPE)
    with store.writer(run_id) as writer:
        writer.append(started())
        with pytest.raises(ValueError, match=r"is running; stop it before deleting it\."):
            store.delete(run_id)
        writer.append(RunStopped(0, "x"))
    store.delete(run_id)
    assert store.ids() == []
    assert list(store.root.iterdir()) == []
    with pytest.raises(ValueError, match="There is no run"):
        store.state(run_id)


def test_a_recording_can_be_read_but_neither_written_nor_deleted(store, tmp_path):
    run_id = written(Store(tmp_path / "recorded"), started(), step_ended(1))
    assert store.state(run_id).recorded
    assert store.state(run_id).status == "running"  # as it was recorded, not "interrupted"
    assert store.series(run_id)
    with pytest.raises(ValueError, match="which cannot be changed"):
        store.writer(run_id)
    with pytest.raises(ValueError, match="which cannot be deleted"):
        store.delete(run_id)


def test_a_run_whose_recipe_cannot_be_read_is_still_listed_with_the_reason(store):
    run_id = written(store, started(), step_ended(4), RunStopped(4, "x"))
    (store.folder(run_id) / "recipe.yaml").write_text("from_the_future: true")
    (state,) = Store(store.root).states()
    assert (state.id, state.status, state.step) == (run_id, "stopped", 4)
    assert "`from_the_future` is not a known key" in state.notes[0]["text"]


# --- many at once -------------------------------------------------------------------------------------------------------


def test_ten_readers_beside_a_writer_all_see_whole_and_growing_runs(store):
    run_id = store.create(RECIPE)
    wrong: list[str] = []
    over = threading.Event()

    def watch() -> None:
        seen = 0
        while not over.is_set():
            state, series = store.state(run_id), store.series(run_id)
            for name, (steps, values) in series.items():
                if len(steps) != len(values) or (np.diff(steps) <= 0).any():
                    wrong.append(f"{name}: {steps} {values}")
            if state.step < seen or state.status not in ("created", "running"):
                wrong.append(f"{state.status} at {state.step} after {seen}")
            seen = state.step

    watchers = [threading.Thread(target=watch) for _ in range(10)]
    with store.writer(run_id) as writer:
        for watcher in watchers:
            watcher.start()
        writer.append(started())
        for step in range(1, 500):
            writer.append(step_ended(step))
        over.set()
        for watcher in watchers:
            watcher.join()
    assert wrong == []
    assert store.state(run_id).step == 499


def test_a_long_run_is_read_quickly_and_its_news_at_once(store):
    run_id = store.create(RECIPE)
    lines = [json.dumps({**started().to_plain(), "time": 0.0})]
    step = step_ended(1).to_plain()
    lines += [json.dumps({**step, "step": number, "time": float(number)}) for number in range(1, 100_001)]
    (store.folder(run_id) / "events.jsonl").write_text("\n".join(lines) + "\n")
    began = time.process_time()
    assert store.state(run_id).step == 100_000
    assert time.process_time() - began < 6  # 1.5 s on a quiet core
    with store.writer(run_id) as writer:
        news = []
        for step in range(100_001, 100_101):
            writer.append(step_ended(step))
            began = time.thread_time()
            assert store.state(run_id).step == step
            store.series(run_id)
            news.append(time.thread_time() - began)
    assert np.median(news) < 1e-3


def test_a_slider_that_was_dragged_is_one_line_of_the_log(store):
    turns = [KnobTurned(step, "weight/kd", step / 100) for step in range(100, 160)]
    run_id = written(store, Queued(), Noted("Reading."), started(), *turns, KnobTurned(160, "learning_rate", 2.0))
    assert [note["text"] for note in store.state(run_id).notes] == [
        "Reading.",
        "The weight of kd was set to × 1.59 of the recipe's value by a user, after step 159.",
        "The learning rate was set to × 2 of the recipe's value by a user, after step 160.",
    ]


@pytest.fixture
def clock(monkeypatch):
    """A clock that can be set."""
    now = [time.mktime((2026, 10, 25, 2, 30, 0, 0, 0, -1))]
    strftime = time.strftime
    monkeypatch.setattr(time, "time", lambda: now[0])
    monkeypatch.setattr(time, "strftime", lambda form, *when: strftime(form, *(when or (time.localtime(now[0]),))))
    return now


@pytest.fixture
def recipe(tiny):
    return tiny()


def test_an_id_is_not_given_twice(store, recipe, clock, monkeypatch):
    """Runs that start in one second may draw the same number, also those of another process."""
    drawn = iter(["a", "a", "b", "b", "c"])
    monkeypatch.setattr(secrets, "token_hex", lambda size: next(drawn))
    first, second = store.create(recipe), store.create(recipe)
    third = Store(store.root).create(recipe)
    assert [run_id.rsplit("-")[-1] for run_id in (first, second, third)] == ["a", "b", "c"]


def test_ids_sort_by_their_order_where_the_clock_is_set_back(store, recipe, clock):
    ids = [store.create(recipe)]
    for change in (1, -3600, 0, 0, 7200):
        clock[0] += change
        ids.append(store.create(recipe))
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    clock[0] -= 3600
    after_a_restart = Store(store.root).create(recipe)
    assert [after_a_restart, *reversed(ids)] == store.ids()


def test_a_clock_that_was_wrong_by_years_does_not_stay_so(store, recipe, clock):
    store.create(recipe)
    clock[0] -= 10 * 366 * 86400
    assert Store(store.root).create(recipe).startswith("2016")


def test_no_duration_is_negative_where_the_clock_is_set_back_during_a_run(store, recipe, clock):
    run_id = store.create(recipe)
    with store.writer(run_id) as writer:
        for event in (Queued(), started(), step_ended(10)):
            writer.append(event)
        clock[0] -= 3600
        writer.append(step_ended(20))
        assert store.state(run_id).status == "running"
        assert [state.active_seconds for state in store.states()] == [0.0]
        writer.append(RunStopped(20, "Stopped by hand."))
    state = store.state(run_id)
    assert (state.status, state.step, state.active_seconds) == ("stopped", 20, 0.0)


def test_what_another_process_deleted_is_forgotten(store, recipe):
    import shutil

    ids = [store.create(recipe) for _ in range(3)]
    for run_id in ids:
        with store.writer(run_id) as writer:
            writer.append(RunStopped(0, ""))
    store.states()
    for run_id in ids[1:]:
        shutil.rmtree(store.root / run_id)
    assert [state.id for state in store.states()] == ids[:1]
    assert list(store._held._ended) == ids[:1]


def test_deleting_is_not_disturbed_by_readers_that_write_their_cache(store, recipe):
    stop, troubles = threading.Event(), []

    def read():
        while not stop.is_set():
            try:
                Store(store.root).states()  # replays ended runs, and writes folded.json into their folders
            except Exception as error:
                troubles.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(20):
            run_id = store.create(recipe)
            with store.writer(run_id) as writer:
                writer.append(RunStopped(0, ""))
            store.delete(run_id)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert troubles == []
    assert list(store.root.iterdir()) == []


def test_a_run_with_the_id_of_a_recording_is_shown_instead_of_it(tmp_path):
    store = Store(tmp_path / "runs", recorded=tmp_path / "recorded")
    Store(tmp_path / "recorded").create(RECIPE, "quick")
    assert [(state.id, state.recorded) for state in store.states()] == [("quick", True)]
    store.create(RECIPE, "quick")
    Store(tmp_path / "recorded").create(RECIPE, "other")
    assert store.ids() == ["quick", "other"]
    assert [(state.id, state.recorded) for state in store.states()] == [("quick", False), ("other", True)]
    assert store.folder("quick").parent == store.root


def test_a_server_that_others_reach_reads_no_recipe_through_a_link_that_leads_out(tmp_path, store, monkeypatch):
    monkeypatch.setenv("KD_RUNS", str(store.root))
    monkeypatch.setattr(paths, "_restricted", lambda: True)
    run_id = store.create(recipes.from_plain({"student": {"model": "resnet20"}}))
    secret = tmp_path / "secret.txt"
    secret.write_text("do not show this")
    file = store.folder(run_id) / "recipe.yaml"
    file.unlink()
    file.symlink_to(secret)
    with pytest.raises(recipes.RecipeError, match="a link to a file outside the folders that this server may read"):
        store.recipe(run_id)
    assert "do not show" not in repr(Store(store.root).states())
