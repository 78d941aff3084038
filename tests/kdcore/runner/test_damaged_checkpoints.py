"""A checkpoint that is damaged: the one before it is used, and that is said."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from kdcore import inspection, models
from kdcore.errors import UserError
from kdcore.models import sources
from kdcore.recipe import ModelRecipe
from kdcore.runner import Runner
from kdcore.store import Store
from kdcore.store.run_files import checkpoint
from kdcore.store.run_files.completeness import is_whole
from tests.kdcore.runner.controlled import at_step


@pytest.fixture
def runner(tmp_path):
    made = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)
    yield made
    made.close()


@pytest.fixture(scope="module")
def stopped_once(tiny, tmp_path_factory) -> tuple[Path, str]:
    """A folder of runs with one that was stopped after 11 of 20 steps, with three checkpoints, and its id."""
    made = Runner(Store(tmp_path_factory.mktemp("stopped")), device="cpu", threads=1)
    made.listener = at_step(11, made.stop)
    (run_id,) = made.start(tiny(epochs=4, checkpoint_every=1))
    assert made.wait(run_id, 60)
    made.close()
    assert made.store.state(run_id).status == "stopped"
    return made.store.root, run_id


@pytest.fixture
def stopped(runner, stopped_once) -> str:
    """The same in a copy of this test's own."""
    folder, run_id = stopped_once
    shutil.copytree(folder, runner.store.root, dirs_exist_ok=True)
    return run_id


@pytest.fixture(scope="module")
def unbroken(tiny, tmp_path_factory) -> tuple[dict, dict]:
    """The results and the last weights of the same run without a stop."""
    made = Runner(Store(tmp_path_factory.mktemp("unbroken")), device="cpu", threads=1)
    (run_id,) = made.start(tiny(epochs=4, checkpoint_every=1))
    assert made.wait(run_id, 60)
    made.close()
    return made.store.state(run_id).results, checkpoint.load(made.store.checkpoint(run_id))["student"]


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def nothing(path: Path) -> None:
    os.truncate(path, 0)


def zeros(path: Path) -> None:
    path.write_bytes(b"\0" * path.stat().st_size)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1  # of a tensor: the file keeps its length and can be read
    path.write_bytes(bytes(content))


def weights_alone(path: Path) -> None:
    checkpoint.save({"step": 7}, path)  # a state, but not of this run


@pytest.mark.parametrize("harm", [halve, nothing, zeros, flip_a_bit, weights_alone])
def test_the_checkpoint_before_is_used_and_the_run_ends_as_an_unbroken_one(runner, stopped, unbroken, harm):
    newest, before, *_ = runner.store.checkpoints(stopped)
    harm(newest)
    runner.resume(stopped)
    assert runner.wait(stopped, 60)
    state = runner.store.state(stopped)
    assert state.status == "finished"
    notes = [note["text"] for note in state.notes if note["level"] == "warning"]
    assert any(text.startswith(f"The checkpoint {newest.name} is damaged and is skipped:") for text in notes)
    assert f"Resuming from {before.name}, the one before it." in notes
    results, weights = unbroken
    assert state.results == results
    found = checkpoint.load(runner.store.checkpoint(stopped))["student"]
    assert all((weights[name] == found[name]).all() for name in weights)
    steps, _ = runner.store.series(stopped)["loss/student/total"]
    assert (steps[1:] > steps[:-1]).all()


def test_a_run_without_a_checkpoint_that_can_be_read_says_so(runner, stopped):
    for path in (found := runner.store.checkpoints(stopped)):
        halve(path)
    runner.resume(stopped)
    assert runner.wait(stopped, 60)
    state = runner.store.state(stopped)
    assert state.status == "failed"
    assert state.reason.startswith(f"None of this run's checkpoints can be read ({found[0].name}, ")
    assert state.reason.endswith("Start a new run with its recipe; the curves of this one are kept.")
    assert state.step > 0


def test_its_networks_come_from_the_newest_checkpoint_that_is_whole(runner, stopped):
    newest, before, *older = runner.store.checkpoints(stopped)
    halve(newest)
    assert runner.store.whole_checkpoint(stopped) == before
    loaded = models.load(f"run:{stopped}/student", runs=runner.store).net.state_dict()
    kept = checkpoint.load(before)["student"]
    assert all((loaded[name] == kept[f"net.{name}"]).all() for name in loaded)
    assert f"run:{stopped}/student" in [choice.reference for choice in inspection.choices(runner.store)]
    for path in (before, *older):
        halve(path)
    with pytest.raises(ValueError, match=r"has \d checkpoints, and none is complete"):
        models.load(f"run:{stopped}/student", runs=runner.store)
    assert not [choice for choice in inspection.choices(runner.store) if choice.kind == "run"]


def test_snapshots_that_are_cut_are_left_out(runner, stopped):
    kept = runner.store.snapshots(stopped)
    halve(kept[0])
    assert list(runner.store.whole_snapshots(stopped)) == list(kept)[1:]


def test_a_checkpoint_is_whole_or_not(tmp_path):
    path = tmp_path / "a.safetensors"
    assert not is_whole(path)
    checkpoint.save({"step": 1}, path)
    assert is_whole(path)
    with path.open("ab") as file:
        file.write(b"x")
    assert not is_whole(path)
    path.write_bytes((1 << 60).to_bytes(8, "little") + b"{}")
    assert not is_whole(path)
    path.unlink()
    os.mkfifo(path)
    assert not is_whole(path)


def test_a_network_with_changed_weights_is_read_from_the_checkpoint_before_and_that_is_said(runner, stopped):
    newest, before, *older = runner.store.checkpoints(stopped)
    flip_in(newest, "student.net.")
    notes: list[str] = []
    loaded = models.load(f"run:{stopped}/student", runs=runner.store, report=notes.append).net.state_dict()
    kept = checkpoint.load(before)["student"]
    assert all((loaded[name] == kept[f"net.{name}"]).all() for name in loaded)
    said = f"The student of run {stopped} is from its checkpoint {before.name}: the newest is damaged."
    assert notes == [said]
    spec = ModelRecipe(weights=f"run:{stopped}/student")
    models.build(spec, tuple(runner.store.state(stopped).classes), 32, runs=runner.store, report=notes.append)
    assert notes[1] == said
    found = inspection.Inspector(runner.store).inspect(np.zeros((32, 32, 3), np.uint8), f"run:{stopped}/student")
    assert found.title.endswith(f" (from {before.name}: newer checkpoints are damaged)")
    for path in (before, *older):
        flip_in(path, "student.net.")
    with pytest.raises(UserError, match=r"has \d checkpoints, and all are damaged: its student cannot be loaded"):
        models.load(f"run:{stopped}/student", runs=runner.store)


def test_a_network_without_damage_is_read_from_the_newest_checkpoint(runner, stopped):
    newest, *_ = runner.store.checkpoints(stopped)
    notes: list[str] = []
    models.load(f"run:{stopped}/student", runs=runner.store, report=notes.append)
    source = sources.find(f"run:{stopped}/student", runner.store)
    assert (source.path, notes) == (newest, [])


def flip_in(path: Path, prefix: str) -> None:
    """Change one bit of the first tensor whose name begins so."""
    content = bytearray(path.read_bytes())
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    name = min(key for key in header if key.startswith(prefix) and header[key]["dtype"] == "F32")
    content[8 + length + header[name]["data_offsets"][0]] ^= 1
    path.write_bytes(bytes(content))
