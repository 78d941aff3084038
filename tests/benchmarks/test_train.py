"""The training benchmark's code runs, on tiny networks; nothing is said of how long anything takes."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from benchmarks.train import libraries, limits, ours, script, told
from benchmarks.train.pairs import LIBRARIES, PAIRS, Pair, draw_photos
from benchmarks.train.turns import Laps, Turn, Way, take_turns
from kdcore.training import compilation

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
def test_our_own_way_takes_steps_and_says_where_the_time_goes(pair, photos, cached):
    laps = Laps()
    steps = ours.steps(pair, photos, "exact", laps, cached=cached)
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
    assert next(ours.only_loading(LOGITS, photos, Laps())) == 2


def test_an_epoch_of_ours_has_the_steps_that_fill_the_cache(photos):
    assert ours.steps_an_epoch(LOGITS) == 10


def counting(images: int, laps: Laps):
    while True:
        yield images


def failing(laps: Laps):
    raise ValueError("this way leads nowhere")
    yield 0


def test_ways_take_turns_in_processes_of_their_own():
    calls = []
    ways = [Way("twos", partial(counting, 2), steps=3), Way("fives", partial(counting, 5))]
    turns = take_turns(ways, rounds=2, between=lambda: calls.append(1))
    assert {way: [turn.images for turn in taken] for way, taken in turns.items()} == {"twos": [6, 6], "fives": [5, 5]}
    assert len(calls) == 2


def test_a_way_that_fails_is_named(capfd):
    with pytest.raises(RuntimeError, match="The way 'nowhere' failed; its own words are above."):
        take_turns([Way("nowhere", failing)], rounds=1)
    assert "this way leads nowhere" in capfd.readouterr().err


def test_a_ratio_is_taken_within_a_round():
    turns = {"theirs": [Turn(10, 2.0), Turn(10, 8.0)], "ours": [Turn(20, 1.0), Turn(20, 4.0)]}
    assert told.ratios(turns, "ours", "theirs") == [4.0, 4.0]


def test_the_table_says_ratio_goal_and_share_of_the_limit():
    turns = {"theirs": [Turn(1, 2.0)], "ours": [Turn(1, 0.5)]}
    lines = told.table(turns, "theirs", goals={"ours": 3}, flop={"theirs": 1e9, "ours": 1e9}, limits={"bf16": 4e9})
    assert "x 4.00 [4.00-4.00], goal 3" in lines[1]
    assert "50% of bf16" in lines[1]
    assert "12% of bf16" in lines[0]


def test_a_profile_gives_what_no_lap_has_to_the_loaders_workers():
    (line,) = told.profile({"theirs": [Turn(1, 2.0, {"data": 0.5, "backward": 1.0})]})
    assert line.split(maxsplit=1) == ["theirs", "data 25.0%, backward 50.0%, loader's workers 25.0%"]


def test_flops_count_a_multiplication_and_an_addition_apart():
    tiny = Pair("", "five_conv", "five_conv", 8, 2, 2, 1, 2, student_options={"widths": [4], "strides": [1]},
                teacher_options={"widths": [4], "strides": [1]})  # fmt: skip
    convolution, linear = 2 * 8 * 8 * 4 * 3 * 9, 2 * 4 * 10
    teacher, student = limits.work(tiny)
    assert teacher == convolution + linear
    assert student == 2 * convolution + 3 * linear  # the images need no gradient


def test_a_way_that_compiles_has_decided_when_it_is_warm(photos, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda forward, **_: forward)
    monkeypatch.setattr(compilation, "AT_LEAST", -1)  # a step takes no time here
    decision = compilation.Compiling(ours.built(ours.as_recipe(LOGITS, photos, "exact", compiled=True)))
    notes = []
    for _ in range(ours.steps_until_compiled()):
        decision.step_begins(measured=False)
        decision.step_ended()
        notes += decision.told()
    assert len(notes) == 2
