"""Runs that cache teacher outputs, and runs that use them."""

import os
from dataclasses import replace

import pytest
import torch

from kdcore import models
from kdcore.data import loading
from kdcore.events import Noted, StepEnded, StepTaken
from kdcore.recipe import ModelRecipe, RecipeError
from kdcore.setup.build import build_parts
from kdcore.teacher_cache import check, entries
from kdcore.teacher_cache import key as cache_key
from kdcore.training.loop import train

CPU = torch.device("cpu")
TRAINED = 80  # images
VIEWS = 2


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_DATA", str(tmp_path))


@pytest.fixture
def keeping(tiny, tmp_path):
    """The tiny recipe with a teacher that is the same for every seed and whose answers are kept."""
    teacher = {**tiny().teacher.model_dump(), "cache_views": VIEWS}

    def make(weights="teacher", **changes):
        file = tmp_path / f"{weights}.safetensors"
        if not file.exists():
            torch.manual_seed(len(weights))
            model = models.build(
                ModelRecipe(model=teacher["model"], options=teacher["options"]), loading.classes(tiny().data), 16
            )
            models.save(model, file)
        mine = {**teacher, **changes.pop("teacher", {}), "model": None, "options": {}, "weights": str(file)}
        return tiny(**{"epochs": 3, "probes": {"images": 0}, "teacher": mine, **changes})

    return make


class Run:
    """A run, trained to its end or to a step: its losses, what it noted, and how many images it asked the teacher about."""

    def __init__(self, recipe, *, seed=0, live=False, until=None, state=None):
        steps = build_parts(recipe, seed=seed, device=CPU)
        try:
            while True:
                next(steps)
        except StopIteration as ended:
            self.parts = ended.value
        if live:
            self.parts.teacher_cache = None
        if state:
            self.parts.load_state(state)
        self.asked, self.losses, self.notes = 0, [], []
        count = self.parts.teacher.register_forward_pre_hook(self._count)
        for event in train(self.parts):
            match event:
                case StepEnded():
                    self.losses.append(event.losses["student"]["total"])
                case Noted():
                    self.notes.append(event)
                case StepTaken(step=step) if step == until:
                    break
        count.remove()

    def _count(self, teacher, arguments):
        self.asked += len(arguments[0])

    @property
    def said(self):
        return "\n".join(note.text for note in self.notes)


LOOK = 1  # image, at the start of every run, to see what an answer has


def test_the_teacher_is_asked_once_about_each_view_and_never_by_a_second_run(keeping):
    first, second = Run(keeping()), Run(keeping())
    assert first.asked == VIEWS * TRAINED + LOOK
    assert second.asked == LOOK
    assert second.losses == first.losses  # to the bit
    assert "Teacher outputs are cached: 2 views, 15 kB; none are cached yet." in first.said
    assert "2 views, 15 kB; 100 % are cached already." in second.said


def test_replayed_is_what_the_teacher_says_to_a_thousandth(keeping):
    live, kept = Run(keeping(), live=True), Run(keeping())
    assert live.asked == 3 * TRAINED
    assert kept.losses == pytest.approx(live.losses, rel=1e-3)


def test_another_seed_and_another_student_find_the_answers(keeping):
    Run(keeping(epochs=VIEWS))
    other = {"model": "three_stage_cnn_16", "options": {"convolutions": [2, 2, 1]}}
    assert Run(keeping(epochs=VIEWS), seed=1).asked == LOOK
    assert Run(keeping(student=other, epochs=1)).asked == LOOK


def test_a_run_that_was_killed_leaves_what_it_had(keeping):
    whole = Run(keeping())
    os.rename(entries.folder(), entries.folder().with_name("put away"))
    Run(keeping(), until=7)  # 5 steps an epoch of 16 images
    second = Run(keeping())
    assert second.asked == VIEWS * TRAINED - 7 * 16 + LOOK
    assert "70 % are cached already" in second.said
    assert second.losses == pytest.approx(whole.losses, rel=1e-5)


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(keeping):
    whole, first = Run(keeping()), Run(keeping(), until=7)
    rest = Run(keeping(), state=first.parts.state())
    assert rest.asked == LOOK
    assert rest.losses == whole.losses[7:]


def test_a_damaged_row_is_asked_for_again_and_nothing_else(keeping):
    whole = Run(keeping())
    (rows,) = entries.folder().glob("*/001.rows")
    with rows.open("r+b") as file:
        file.seek(rows.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 64]))
    second, third = Run(keeping()), Run(keeping())
    assert second.asked == 1 + LOOK
    assert second.losses == pytest.approx(whole.losses, rel=1e-5)
    assert third.asked == LOOK  # it was put right


DATA = {
    "name": "cues", "image_size": 16, "train_images": 100, "test_images": 20, "validation": 0.2, "batch_size": 16,
    "augment": ["flip", "crop"],
}  # fmt: skip
OTHERS = {
    "images": {"data": {**DATA, "texture_agreement": 0.5}},
    "augmentation": {"data": {**DATA, "augment": ["flip"]}},
    "resized crop": {"data": {**DATA, "resized_crop": {"scale": [0.5, 1.0]}}},
    "operations": {"data": {**DATA, "rand_augment": {}}},
    "erasing": {"data": {**DATA, "erasing": 0.2}},
    "size of its images": {"teacher": {"image_size": 48}},
    "view seed": {"data": {**DATA, "seed": 1}},
    "statistics": {"teacher": {"mean": (0.4, 0.4, 0.4), "std": (0.2, 0.2, 0.2)}},
    "weights": {"weights": "stranger"},
    "what is read": {"terms": [{"method": "ce"}, {"method": "rkd"}]},
}


@pytest.mark.parametrize("changed", OTHERS)
def test_an_answer_that_something_else_decides_is_another_entry(keeping, changed):
    Run(keeping(epochs=1), until=1)
    assert "none are cached yet" in Run(keeping(epochs=1, **OTHERS[changed]), until=1).said


def test_what_does_not_decide_an_answer_shares_the_entry(keeping):
    Run(keeping(epochs=1))
    terms = [
        {"method": "attention", "options": {"divergence": "js"}},
        {"method": "dist", "weight": 2.0},
        {"method": "ce"},
    ]
    alike = keeping(epochs=1, terms=terms, data={**DATA, "labels": 40, "batch_size": 20}, teacher={"cache_views": 5})
    assert Run(alike).asked == LOOK


def test_of_many_images_the_files_decide_and_not_their_pixels(keeping, monkeypatch):
    parts = Run(keeping(epochs=1), until=1).parts
    images, files = parts.train.images, "0" * 64
    found = {}
    for large in (0, 1 << 30):
        monkeypatch.setattr(cache_key, "LARGE", large)
        for identity in ("", files):
            split = replace(parts.train, identity=identity)
            found[large, identity] = cache_key._images(split, images)
    pixels = found[0, ""]  # images that come from no file
    assert found == {(0, ""): pixels, (0, files): f"files {files}", (1 << 30, ""): pixels, (1 << 30, files): pixels}


def test_without_augmentation_there_is_one_view(keeping):
    recipe = keeping(data={**DATA, "augment": []}, teacher={"cache_views": 8})
    assert recipe.kept_views == 1
    assert Run(recipe).asked == TRAINED + LOOK


def test_where_there_is_no_room_the_teacher_is_asked_and_the_numbers_are_the_same(keeping, monkeypatch):
    kept = Run(keeping())
    monkeypatch.setenv("KD_CACHE_GB", "1e-5")
    live = Run(keeping())
    assert live.asked == 3 * TRAINED + LOOK
    assert live.losses == kept.losses
    (note,) = [note for note in live.notes if "not cached" in note.text]
    assert note.level == "warning"
    assert (
        "(2 views, 15 kB): KD_CACHE_GB allows 10 kB in total. The teacher runs in every step. Use fewer views"
        in note.text
    )


def test_a_disk_that_fills_up_does_not_end_the_run(keeping, monkeypatch):
    whole, true, calls = Run(keeping()), os.pwrite, []
    os.rename(entries.folder(), entries.folder().with_name("put away"))

    def fills_up(descriptor, data, offset):
        calls.append(offset)
        return true(descriptor, data, offset) if len(calls) < 50 else 0

    monkeypatch.setattr(os, "pwrite", fills_up)
    run = Run(keeping())
    assert "Teacher outputs are no longer cached (No space left on device)" in run.said
    assert run.losses == pytest.approx(whole.losses, rel=1e-5)
    assert len(calls) == 50


def test_without_a_term_that_reads_the_teacher_nothing_is_kept(keeping):
    assert Run(keeping(terms=[{"method": "ce"}], epochs=1)).asked == 0
    assert not entries.folder().exists()


def test_further_views_are_refused_before_anything_is_built(keeping):
    recipe = keeping(terms=[{"method": "ce"}, {"method": "sskd", "name": "contrast"}])
    with pytest.raises(
        RecipeError, match="`teacher.cache_views` is 2, but the term 'contrast' .* set teacher.cache_views=0"
    ):
        check(recipe)
    with pytest.raises(RecipeError, match="cache_views"):
        next(build_parts(recipe, seed=0, device=CPU))


def test_hints_that_are_selected_keep_only_the_selected(keeping):
    hints = {"method": "fitnets", "options": {"select": 1}}
    Run(keeping(terms=[{"method": "ce"}, hints], epochs=1))
    (entry,) = entries.folder().glob("*/key.json")
    assert entry.read_text().count('"output": "features"') == 1
