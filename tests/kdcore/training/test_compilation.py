"""Compiling in the course of a run. PyTorch's own compiler without code generation stands in, which needs no C++ compiler."""

from functools import partial

import pytest
import torch

from kdcore.events import Noted, StepEnded
from kdcore.setup.build import build_parts
from kdcore.training import compilation
from kdcore.training.compilation import Compiled
from kdcore.training.evaluation import drained
from kdcore.training.loop import train

CPU = torch.device("cpu")
# of few layers, since the compiler takes its time for each
SMALL = {
    "student": {"model": "three_stage_cnn", "options": {"widths": [4, 4, 4], "convolutions": 1}},
    "teacher": {"model": "small_vit_patch4_32", "options": {"dim": 32, "depth": 1, "heads": 2}},
}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Compile after two steps, however long the run is, and keep it however long the steps are then."""
    monkeypatch.setattr(compilation, "WARM_UP", 1)
    monkeypatch.setattr(compilation, "TIMED", 1)
    monkeypatch.setattr(compilation, "SETTLING", 1)
    monkeypatch.setattr(compilation, "AT_LEAST", 0)
    monkeypatch.setattr(compilation, "SAVES", float("inf"))
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


@pytest.fixture
def ran(tiny):
    """Trains the tiny recipe: each step's losses, and what was noted of compiling."""

    def run(**changes):
        parts = drained(build_parts(tiny(**SMALL, **changes), seed=0, device=CPU))
        events = list(train(parts))
        losses = [event.losses for event in events if isinstance(event, StepEnded)]
        return (
            losses,
            [event.text for event in events if isinstance(event, Noted) and "compil" in event.text.lower()],
            parts,
        )

    return run


def test_a_compiled_run_has_the_same_losses(ran, monkeypatch):
    """Of 80 images in batches of 24, so that an epoch's last batch is smaller."""
    asked = []
    forward = Compiled.__call__
    monkeypatch.setattr(Compiled, "__call__", lambda self, *args: asked.append(self) or forward(self, *args))
    data = {"name": "cues", "train_images": 100, "test_images": 20, "validation": 0.2, "batch_size": 24}
    plain, silence, _ = ran(data=data)
    compiled, notes, parts = ran(data=data, compile=True)
    assert not silence
    assert [note.partition(":")[0] for note in notes] == ["Compiling the networks", "The networks run compiled"]
    assert len({id(each) for each in asked}) == 3, "student, twin and teacher"
    for one, other in zip(plain, compiled, strict=True):
        assert one["student"] == pytest.approx(other["student"], rel=1e-5)
        assert one["twin"] == pytest.approx(other["twin"], rel=1e-5)
    assert parts.student.distiller.compiled


def test_a_short_run_is_not_compiled(ran, monkeypatch):
    monkeypatch.setattr(compilation, "AT_LEAST", 1e9)
    _, notes, parts = ran(compile=True)
    assert len(notes) == 1
    assert notes[0].startswith("The networks are not compiled: the run ends in about ")
    assert parts.student.distiller.compiled is None


def test_what_makes_no_step_shorter_is_left(ran, monkeypatch):
    monkeypatch.setattr(compilation, "SAVES", 0.0)
    _, notes, parts = ran(compile=True)
    assert notes[1].startswith("The networks run uncompiled: compiled, a step takes ")
    assert (parts.student.distiller.compiled, parts.twin.distiller.compiled, parts.teacher.compiled) == (
        None,
        None,
        None,
    )


def test_where_nothing_can_be_compiled_the_run_goes_on(ran, monkeypatch):
    def no_compiler(*_args):
        raise RuntimeError("No working C++ compiler found.\nSearched everywhere.")

    plain, *_ = ran()
    monkeypatch.setattr(torch, "compile", lambda *_args, **_kwargs: no_compiler)
    losses, notes, parts = ran(compile=True)
    assert losses == plain
    assert notes[1] == ("The networks run uncompiled: compiling failed. RuntimeError: No working C++ compiler found.")
    assert parts.student.distiller.compiled is None


def test_what_is_wrong_with_the_network_itself_is_told_as_ever(ran):
    *_, parts = ran()
    compiled = Compiled(parts.student.distiller.student, 1)
    with pytest.raises(RuntimeError, match="size of tensor a"):
        compiled(torch.rand(2, 5, 32, 32), frozenset({"logits"}))
