"""The training benchmark runs on tiny networks; no times are checked."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from benchmarks.train import libraries, limits, project, reports, script
from benchmarks.train.interleaved import Laps, Measurement, Variant, interleave
from benchmarks.train.pairs import LIBRARIES, PAIRS, Pair, draw_photos
from kdcore.training import compilation
from tests.benchmarks.endless import counting, failing

TOKENS = replace(
    PAIRS["a"], teacher="test_vit", student="three_stage_cnn_16", size=160, batch=2, train_images=20, student_options={}
)
HINTS = replace(PAIRS["b"], batch=2, train_images=20, student_options={"widths": [4, 4, 4, 4, 4]})
LOGITS = replace(LIBRARIES, teacher="resnet20", batch=2, train_images=20)


@pytest.fixture(autouse=True)
def _on_the_cpu_with_its_own_data(monkeypatch, tmp_path):
    monkeypatch.setattr(script, "DEVICE", torch.device("cpu"))
    monkeypatch.setenv("KD_DATA", str(tmp_path))


@pytest.fixture
def photos(tmp_path) -> Path:
    return draw_photos(tmp_path / "photos", 20)


@pytest.mark.parametrize("pair", [TOKENS, HINTS, LOGITS], ids=["attention maps", "hint", "logits"])
def test_the_script_takes_steps(pair, photos):
    laps = Laps()
    steps = script.steps(pair, photos, laps, workers=0)
    assert [next(steps), next(steps)] == [2, 2]
    assert {"data", "teacher", "backward", "optimizer"} <= set(laps.seconds)


@pytest.mark.parametrize("cached", [False, True], ids=["live", "cached"])
@pytest.mark.parametrize("pair", [TOKENS, HINTS, LOGITS], ids=["attention maps", "hint", "logits"])
def test_this_project_takes_steps_and_measures_their_parts(pair, photos, cached):
    laps = Laps()
    steps = project.steps(pair, photos, "exact", laps, cached=cached)
    assert [next(steps), next(steps)] == [2, 2]
    parts = {"data", "teacher", "student forward", "losses", "backward", "optimizer", "rest"}
    assert set(laps.seconds) == parts


def test_timms_task_takes_steps(photos):
    steps = libraries.timm_steps(LOGITS, photos, Laps(), workers=0)
    assert [next(steps), next(steps)] == [2, 2]


@pytest.mark.skipif(not libraries.has_torchdistill(), reason=libraries.HOW_TO_GET_TORCHDISTILL)
@pytest.mark.filterwarnings("ignore")
def test_torchdistill_takes_steps(photos):
    steps = libraries.torchdistill_steps(LOGITS, photos, Laps(), workers=0)
    assert [next(steps), next(steps)] == [2, 2]


def test_both_data_paths_give_batches(photos):
    assert next(script.only_loading(LOGITS, photos, Laps(), workers=0)) == 2
    assert next(project.only_loading(LOGITS, photos, Laps())) == 2


def test_an_epoch_has_the_steps_that_fill_the_cache(photos):
    assert project.steps_an_epoch(LOGITS) == 10


def test_variants_run_interleaved_in_processes_of_their_own():
    calls = []
    variants = [Variant("twos", partial(counting, 2), steps=3), Variant("fives", partial(counting, 5))]
    turns = interleave(variants, rounds=2, between=lambda: calls.append(1))
    assert {name: [turn.images for turn in taken] for name, taken in turns.items()} == {"twos": [6, 6], "fives": [5, 5]}
    assert len(calls) == 2


def test_a_variant_that_fails_is_named(capfd):
    with pytest.raises(RuntimeError, match="The variant 'broken' failed; its traceback is above."):
        interleave([Variant("broken", failing)], rounds=1)
    assert "no such data" in capfd.readouterr().err


def test_a_ratio_is_taken_within_a_round():
    turns = {
        "script": [Measurement(10, 2.0), Measurement(10, 8.0)],
        "project": [Measurement(20, 1.0), Measurement(20, 4.0)],
    }
    assert reports.ratios(turns, "project", "script") == [4.0, 4.0]


def test_the_table_shows_ratio_goal_and_share_of_the_limit():
    turns = {"script": [Measurement(1, 2.0)], "project": [Measurement(1, 0.5)]}
    lines = reports.table(
        turns, "script", goals={"project": 3}, flop={"script": 1e9, "project": 1e9}, limits={"bf16": 4e9}
    )
    assert "x 4.00 [4.00-4.00], goal 3" in lines[1]
    assert "50% of bf16" in lines[1]
    assert "12% of bf16" in lines[0]


def test_a_profile_counts_the_rest_as_loader_workers():
    (line,) = reports.profile({"script": [Measurement(1, 2.0, {"data": 0.5, "backward": 1.0})]})
    assert line.split(maxsplit=1) == ["script", "data 25.0%, backward 50.0%, loader's workers 25.0%"]


def test_flops_count_a_multiplication_and_an_addition_apart():
    tiny = Pair("", "five_conv", "five_conv", 8, 2, 2, 1, 2, student_options={"widths": [4], "strides": [1]},
                teacher_options={"widths": [4], "strides": [1]})  # fmt: skip
    convolution, linear = 2 * 8 * 8 * 4 * 3 * 9, 2 * 4 * 10
    teacher, student = limits.work(tiny)
    assert teacher == convolution + linear
    assert student == 2 * convolution + 3 * linear  # the images need no gradient


def test_a_compiling_variant_has_decided_after_its_warm_up(photos, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda forward, **_: forward)
    monkeypatch.setattr(compilation, "AT_LEAST", -1)  # a step takes no time here
    decision = compilation.CompilationTrial(project.built(project.as_recipe(LOGITS, photos, "exact", compiled=True)))
    notes = []
    for _ in range(project.steps_until_compiled()):
        decision.before_step(measured=False)
        decision.after_step()
        notes += decision.notes()
    assert len(notes) == 2
