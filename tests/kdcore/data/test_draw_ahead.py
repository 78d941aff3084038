"""Images that a process of its own draws before a run needs them."""

import threading

import numpy as np
import pytest

from kdcore.data import datasets, draw_ahead, loading
from kdcore.data.datasets import cues
from kdcore.files import locks
from kdcore.recipe import DataRecipe, from_plain
from kdcore.runtime import interruption

FEW = {"name": "cues", "image_size": 16, "train_images": 20, "test_images": 10}


def recipe(**data):
    return from_plain(
        {
            "data": FEW | data,
            "teacher": None,
            "student": {"model": "three_stage_cnn_16"},
            "terms": [{"method": "ce", "weight": 1}],
        }
    )


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    return tmp_path


def test_the_images_are_drawn_by_another_process_and_then_nothing_is_left_to_draw(monkeypatch):
    drawing = draw_ahead.start(recipe())
    assert drawing is not None
    assert drawing.wait(120) == 0
    monkeypatch.setattr(cues, "drawn", lambda *_: pytest.fail("drawn again"))
    assert [len(loading.load(recipe().data, split)) for split in ("train", "test")] == [10, 10]
    assert draw_ahead.start(recipe()) is None


@pytest.mark.parametrize("name", ["cifar10", "folder"])
def test_only_drawn_datasets_are_drawn(name, tmp_path):
    assert datasets.of(DataRecipe(name=name, path=str(tmp_path) if name == "folder" else None)).to_draw(32) == ()


def test_who_comes_meanwhile_waits_and_draws_nothing(own_folder, monkeypatch):
    data, reported, waits = recipe().data, [], threading.Event()

    def report(text):
        reported.append(text)
        waits.set()

    def read():
        found.append(datasets.of(data, report).read("train", np.arange(20), 16).pixels)

    found: list[np.ndarray] = []
    expected = cues.drawn("train", 20, 16, data.seed_of("train"), data.texture_agreement)
    path = cues._cache_file("train", *datasets.of(data)._drawing("train", 16))
    path.parent.mkdir()
    monkeypatch.setattr(cues, "drawn", lambda *_: pytest.fail("drawn twice"))
    with locks.holding(path.with_suffix(".lock")):
        reader = threading.Thread(target=read)
        reader.start()
        assert waits.wait(120)
        cues._write_cached(path, expected, print)
    reader.join(120)
    assert np.array_equal(found[0], expected["images"])
    assert reported == ["Waiting for another process, which draws the train images."]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_run_that_waits_can_be_stopped(own_folder):
    data = recipe().data
    path = cues._cache_file("train", *datasets.of(data)._drawing("train", 16))
    path.parent.mkdir()
    with (
        locks.holding(path.with_suffix(".lock")),
        interruption.interruptible(lambda: True),
        pytest.raises(interruption.Interrupted),
    ):
        datasets.of(data).read("train", np.arange(20), 16)
