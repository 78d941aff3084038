"""The short form of the kills: work that is killed ends as the unbroken one, and a difference would be found."""

import json
import os

import pytest

from benchmarks.faults import outcome
from benchmarks.faults.__main__ import BEGIN, DOCUMENT, table
from benchmarks.faults.kills import Kill
from kdcore import recipe as recipes
from kdcore.events import Noted, RunStopped
from kdcore.files import atomic
from kdcore.paths import PROJECT
from kdcore.store import Store
from tests import warm


def test_work_that_is_killed_ends_as_the_unbroken_one(tmp_path):
    command = ["-m", "benchmarks.faults", "--kills", "3", "--only", "step", "checkpoint of drawn images", "deletion"]
    with (tmp_path / "output.txt").open("wb") as output:
        status = warm.start(command, cwd=PROJECT, env=dict(os.environ), output=output).wait(300)
    written = (tmp_path / "output.txt").read_text()
    assert status == 0, written
    assert written.count("as unbroken") == 3


@pytest.fixture
def place(tmp_path):
    """A run that was stopped, in order."""
    store = Store(tmp_path / "runs")
    plain = {
        "name": "a",
        "data": {"name": "cues"},
        "student": {"model": "three_stage_cnn"},
        "terms": [{"method": "ce"}],
    }
    with store.writer(store.create(recipes.from_plain(plain))) as writer:
        writer.append(Noted("Loading."))
        writer.append(RunStopped(0, ""))
    assert list(outcome.troubles(tmp_path)) == []
    return tmp_path


def step(number: int) -> str:
    plain = {"event": "StepEnded", "time": 1.0, "step": number, "epoch": 0.1, "losses": {}, "shares": {}, "weights": {}}
    return (
        json.dumps(plain | {"temperatures": {}, "learning_rate": 0.1, "images_per_second": 1.0, "train_top1": {}})
        + "\n"
    )


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ('{"event": "No', "the last line is cut"),
        ('{"event": "Nothing"}\n', "is not an event of this version"),
        (step(2) + step(2), "step 2 after step 2"),
        (step(2), "the last event is not the end of the run"),
    ],
)
def test_lines_that_are_wrong_are_found(place, lines, found):
    (events,) = place.glob("runs/*/events.jsonl")
    with events.open("a") as file:
        file.write(lines)
    assert any(found in trouble for trouble in outcome.troubles(place))


@pytest.mark.parametrize(
    "left", ["runs/.a.half", "data/cues/.x.npz.half", "runs/.deleted-a", "runs/20260101-000000-a-0000"]
)
def test_what_is_left_is_found(place, left):
    (place / left).mkdir(parents=True)
    assert list(outcome.troubles(place))


def test_a_lock_that_is_held_is_found(place):
    store = Store(place / "runs")
    with store.writer(store.ids()[0]):
        assert any("is still locked" in trouble for trouble in outcome.troubles(place))


def test_one_other_bit_in_one_tensor_is_found(tmp_path):
    import torch

    from kdcore.store.run_files import checkpoint

    one, other = torch.zeros(3), torch.tensor([0.0, 0.0, 1e-45])
    hashes = set()
    for number, tensor in enumerate((one, one.clone(), other)):
        checkpoint.save({"step": 1, "student": {"weight": tensor}}, path := tmp_path / f"{number}.safetensors")
        hashes.add(outcome.tensors(path))
    assert len(hashes) == 2


def test_the_table_has_a_row_for_each_phase_and_stands_in_the_document():
    found = [Kill("step", 1, True, 1.0, ()), Kill("step", 2, False, 1.0, ("x",)), Kill("start", 1, False, 1.0, ())]
    made = table(found, 90.0, 7)
    assert "| step | 3 | 1 of 2 | 1 of 2 |" in made
    assert "| **all** | 4 | 1 of 3 | 2 of 3 |" in made
    assert "`python -m benchmarks.faults --kills 4 --seed 7`" in made
    assert BEGIN in DOCUMENT.read_text(encoding="utf-8")
    assert atomic.SUFFIX == ".half"  # what `outcome` looks for
