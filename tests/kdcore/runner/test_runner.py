import errno
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from kdcore.errors import UserError
from kdcore.events import Queued
from kdcore.paths import PROJECT
from kdcore.recipe import RecipeError
from kdcore.recipe import study as studies
from kdcore.runner import Runner
from kdcore.store import RunWriter, Store, Studies
from kdcore.store.run_files import checkpoint, commands
from tests import warm


@pytest.fixture
def runner(tmp_path):
    made = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)
    yield made
    made.close()


def until(condition, seconds: float = 60.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def started(command: str, file: Path, runs: Path) -> warm.Program:
    """`python -m kdcore COMMAND FILE` in a process of its own."""
    with open(os.devnull, "wb") as output:
        arguments = ["-m", "kdcore", command, str(file), "--json", "--device", "cpu"]
        return warm.start(arguments, cwd=PROJECT, env={**os.environ, "KD_RUNS": str(runs)}, output=output)


def kinds(store: Store, run_id: str) -> list[str]:
    lines = (store.folder(run_id) / "events.jsonl").read_text().splitlines()
    return [json.loads(line)["event"] for line in lines]


def test_a_run_goes_from_queued_to_finished(runner, tiny):
    (run_id,) = runner.start(tiny())
    assert run_id in runner.active()
    assert runner.wait(run_id, 60)
    state = runner.store.state(run_id)
    assert state.status == "finished"
    assert kinds(runner.store, run_id)[0] == "Queued"
    assert runner.active() == ()
    assert runner.store.checkpoint(run_id) is not None
    assert runner.store.probe(run_id, state.probes[0]["file"])["images"].shape == (2, 16, 16, 3)


def test_seeds_are_runs_of_their_own_one_after_another(runner, tiny):
    ids = runner.start(tiny(seeds=[0, 1], epochs=1))
    assert len(ids) == 2
    assert all(runner.wait(run_id, 60) for run_id in ids)
    assert [runner.store.recipe(run_id).seeds for run_id in ids] == [(0,), (1,)]


def test_pause_holds_and_stop_ends_within_a_step_each_with_an_event(runner, tiny):
    (run_id,) = runner.start(tiny(epochs=500))
    until(lambda: runner.store.state(run_id).step >= 2)
    runner.pause(run_id)
    until(lambda: runner.store.state(run_id).status == "paused")
    step = runner.store.state(run_id).step
    time.sleep(0.2)
    assert runner.store.state(run_id).step == step
    runner.unpause(run_id)
    until(lambda: runner.store.state(run_id).step > step)
    runner.set_knob(run_id, "weight/kd", 0.5)
    until(lambda: runner.store.state(run_id).knobs == {"weight/kd": 0.5})
    runner.stop(run_id)
    assert runner.wait(run_id, 60)
    state = runner.store.state(run_id)
    assert (state.status, state.reason) == ("stopped", "Stopped by a user.")
    assert {"RunPaused", "RunResumed", "KnobTurned", "RunStopped"} <= set(kinds(runner.store, run_id))
    saved = checkpoint.load(runner.store.checkpoint(run_id))
    assert (saved["step"], saved["knobs"]) == (state.step, {"weight/kd": 0.5})


def test_a_run_that_was_killed_before_it_was_queued_resumes_at_once(runner, tiny):
    run_id = runner.store.create(tiny(epochs=1))
    assert runner.store.state(run_id).status == "created"
    runner.resume(run_id)
    assert runner.wait(run_id, 60)
    assert runner.store.state(run_id).status == "finished"


def test_a_stopped_run_resumes_and_ends_as_an_unbroken_one(runner, tiny):
    recipe = tiny(epochs=6)
    (whole,) = runner.start(recipe)
    assert runner.wait(whole, 60)
    (broken,) = runner.start(recipe)
    until(lambda: runner.store.state(broken).step >= 4)
    runner.stop(broken)
    assert runner.wait(broken, 60)
    runner.resume(broken)
    assert runner.wait(broken, 60)
    first, second = (checkpoint.load(runner.store.checkpoint(run_id)) for run_id in (whole, broken))
    assert first["step"] == second["step"]
    assert all((first["student"][name] == second["student"][name]).all() for name in first["student"])
    assert runner.store.state(whole).results == runner.store.state(broken).results


def test_a_queued_run_waits_and_can_be_stopped_before_it_starts(runner, tiny):
    (first,), (second,) = runner.start(tiny(epochs=500)), runner.start(tiny())
    assert runner.store.state(second).status == "queued"
    runner.stop(second)
    runner.stop(first)
    assert runner.wait(second, 60)
    assert runner.store.state(second).status == "stopped"


def test_close_leaves_a_checkpoint_and_a_stopped_run(tmp_path, tiny):
    runner = Runner(Store(tmp_path), device="cpu", threads=1)
    (run_id,) = runner.start(tiny(epochs=500))
    until(lambda: runner.store.state(run_id).step >= 1)
    runner.close()
    assert runner.store.state(run_id).status == "stopped"
    assert runner.store.checkpoint(run_id) is not None
    with pytest.raises(ValueError, match="closed"):
        runner.start(tiny())


def test_a_full_disk_ends_a_run_and_not_the_thread(runner, tiny, monkeypatch):
    append = RunWriter.append

    def full(writer, event):
        if not isinstance(event, Queued):
            raise OSError(errno.ENOSPC, "No space left on device")
        append(writer, event)

    with monkeypatch.context() as disk:
        disk.setattr(RunWriter, "append", full)
        (run_id,) = runner.start(tiny(epochs=1))
        assert runner.wait(run_id, 60)
    assert runner.store.state(run_id).status == "interrupted"
    runner.resume(run_id)
    assert runner.wait(run_id, 60)
    assert runner.store.state(run_id).status == "finished"


def test_a_failure_is_an_event_in_words_with_the_traceback(runner, tiny, monkeypatch):
    def diverged(parts):
        raise UserError("The loss is not finite at step 1.")

    with monkeypatch.context() as patch:
        patch.setattr("kdcore.runner.job.train", diverged)
        (run_id,) = runner.start(tiny())
        assert runner.wait(run_id, 60)
    state = runner.store.state(run_id)
    assert (state.status, state.reason) == ("failed", "The loss is not finite at step 1.")
    assert "Traceback" in state.traceback
    (after,) = runner.start(tiny(epochs=1))  # the thread lives on
    assert runner.wait(after, 60)
    assert runner.store.state(after).status == "finished"


def test_a_bug_is_a_calm_sentence_with_the_number_of_its_traceback_in_the_log(runner, tiny, monkeypatch, caplog):
    def broken(*_, **__):
        raise ValueError("shape '[3]' is invalid for input of size 4")

    monkeypatch.setattr("kdcore.runner.job.train", broken)
    (run_id,) = runner.start(tiny())
    assert runner.wait(run_id, 60)
    state = runner.store.state(run_id)
    (record,) = [each for each in caplog.records if each.name == "kdcore"]
    number = re.fullmatch(r"Something went wrong here\. The log has the details under (\w{6})\.", state.reason)[1]
    assert number in record.getMessage()
    assert "is invalid for input" in str(record.exc_info[1])
    assert "is invalid for input" in state.traceback


def test_a_recipe_whose_classes_do_not_meet_is_refused_before_anything_is_made(runner, tiny):
    with pytest.raises(RecipeError, match=r"have 1000 classes, cues has 10.*finetune"):
        runner.start(tiny(teacher={"model": "deit_tiny_patch16_224", "weights": "pretrained"}))
    assert runner.store.ids() == []


def test_commands_to_a_run_that_nobody_trains_are_refused_in_words(runner, tiny):
    run_id = runner.store.create(tiny())
    with pytest.raises(ValueError, match=rf"Run {run_id} cannot be controlled: it is created"):
        runner.stop(run_id)
    with pytest.raises(ValueError, match="'momentum' is not a knob of this run. Its knobs: learning_rate, weight/ce"):
        runner.set_knob(run_id, "momentum", 0.5)


def test_a_run_of_another_process_follows_commands_and_when_it_is_killed_it_resumes(tmp_path, tiny, runner):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(tiny(epochs=200, checkpoint_every=1).to_yaml())
    store = runner.store
    child = started("distill", recipe, store.root)
    run_id = until(lambda: next(iter(store.ids()), None))
    until(lambda: store.state(run_id).checkpoints and store.state(run_id).step >= 8)
    assert store.state(run_id).status == "running"  # seen from another process, live
    runner.set_knob(run_id, "weight/kd", 0.5, by="ann")
    runner.pause(run_id)
    until(lambda: store.state(run_id).status == "paused")
    assert store.state(run_id).knobs == {"weight/kd": 0.5}
    runner.unpause(run_id)
    until(lambda: store.state(run_id).status == "running")
    child.send_signal(signal.SIGKILL)
    child.wait()
    until(lambda: store.state(run_id).status == "interrupted")
    commands.send(store.folder(run_id), "stop", {"reason": "It was meant for the process that was killed."})
    before = store.state(run_id)
    saved = before.checkpoints[-1]["step"]
    runner.resume(run_id)
    until(lambda: store.state(run_id).step > max(before.step, saved))  # a pause also saves between two logged steps
    steps, _ = store.series(run_id)["loss/student/total"]
    assert (steps[1:] > steps[:-1]).all()  # what came after the checkpoint was not told twice
    lines = map(json.loads, (store.folder(run_id) / "events.jsonl").read_text("utf-8").splitlines())
    assert [each["step"] for each in lines if each["event"] == "RunStarted"][-1] == saved
    runner.stop(run_id)
    assert runner.wait(run_id, 60)


def test_a_study_runs_its_points_and_never_one_twice(runner, tiny):
    study_id = runner.start_study(tiny_study(tiny, seeds=[0]))
    shelf = Studies(runner.store)
    until(lambda: shelf.state(study_id).status == "finished")
    before = [kinds(runner.store, run_id) for run_id in runner.store.ids()]
    assert len(before) == 2
    runner.resume_study(study_id)
    assert [kinds(runner.store, run_id) for run_id in runner.store.ids()] == before


def test_a_study_whose_variant_cannot_run_says_which_and_starts_nothing(runner, tiny):
    study = tiny_study(tiny, vary={"student.model": ["three_stage_cnn_16", "three_stage_cnn_17"]})
    with pytest.raises(
        RecipeError, match=r"The variant 'student model three_stage_cnn_17' cannot run: .*three_stage_cnn_16"
    ):
        runner.start_study(study)
    assert runner.store.ids() == Studies(runner.store).ids() == []


def test_a_stopped_study_goes_on_with_what_is_left(runner, tiny):
    study_id = runner.start_study(tiny_study(tiny, vary={"terms.1.temperature": [1, 2]}, epochs=30))
    shelf = Studies(runner.store)
    until(lambda: shelf.state(study_id).now and shelf.state(study_id).now.step >= 2)
    runner.stop_study(study_id)
    until(lambda: runner.active() == ())
    assert [place.run.status for place in shelf.state(study_id).places] == ["stopped"] * 4
    begun = shelf.state(study_id).places[0].run
    runner.resume_study(study_id)
    until(lambda: shelf.state(study_id).places[0].run.step > begun.step)
    assert "RunStarted" in kinds(runner.store, begun.id)
    assert runner.active() == tuple(place.run_id for place in shelf.state(study_id).places)
    runner.stop_study(study_id)
    until(lambda: runner.active() == ())


def test_a_killed_study_is_finished_from_where_it_was(tmp_path, tiny, runner):
    file = tmp_path / "study.yaml"
    file.write_text(tiny_study(tiny, vary={"terms.1.temperature": [2]}, epochs=10, seeds=[0, 1, 2]).to_yaml())
    shelf = Studies(runner.store)
    child = started("study", file, runner.store.root)
    study_id = until(lambda: next(iter(shelf.ids()), None))
    until(
        lambda: shelf.state(study_id).done == 1 and shelf.state(study_id).now and shelf.state(study_id).now.checkpoints
    )
    with pytest.raises(ValueError, match="Another process trains run .* of the study"):
        runner.resume_study(study_id)
    child.send_signal(signal.SIGKILL)
    child.wait()
    until(lambda: shelf.state(study_id).status == "interrupted")
    done, half, *_ = (place.run for place in shelf.state(study_id).places)
    told = (runner.store.folder(done.id) / "events.jsonl").read_text()
    runner.resume_study(study_id)
    until(lambda: shelf.state(study_id).status == "finished")
    assert (runner.store.folder(done.id) / "events.jsonl").read_text() == told  # it was not run again
    lines = (runner.store.folder(half.id) / "events.jsonl").read_text().splitlines()
    resumed = [event for event in map(json.loads, lines) if event["event"] == "RunStarted"][-1]
    assert resumed["resumed"]
    assert resumed["step"] > 0
    assert len(runner.store.ids()) == 3


def tiny_study(tiny, *, vary=None, epochs=1, seeds=(0, 1)):
    return studies.from_plain(
        {
            "name": "tiny",
            "recipe": tiny(epochs=epochs, probes={"images": 0}).model_dump(mode="json", exclude_defaults=True),
            "vary": vary or {"terms.1.temperature": [1, 2]},
            "seeds": list(seeds),
        }
    )
