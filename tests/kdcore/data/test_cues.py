import os

import numpy as np
import pytest
import torch

from kdcore.data import drawing, loading, selection
from kdcore.data.datasets import cues
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe

SMALL = DataRecipe(image_size=24, train_images=400, test_images=200)


def test_the_same_recipe_draws_the_same_images():
    one, other = (cues.drawn("train", 20, 32, 5, 0.1) for _ in range(2))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_an_image_does_not_depend_on_how_many_are_drawn():
    few, more = cues.drawn("train", 10, 32, 0, 0.1), cues.drawn("train", 30, 32, 0, 0.1)
    assert np.array_equal(few["images"], more["images"][:10])


@pytest.mark.parametrize("other", [("train", 10, 32, 1, 0.1), ("test", 10, 32, 0, 0.1)])
def test_another_seed_or_pool_draws_other_images(other):
    assert not np.array_equal(cues.drawn("train", 10, 32, 0, 0.1)["images"], cues.drawn(*other)["images"])


@pytest.mark.parametrize("agreement", [0.0, 0.1, 0.6, 1.0])
def test_textures_agree_with_shapes_as_often_as_the_recipe_says(agreement):
    split = loading.load(SMALL.model_copy(update={"texture_agreement": agreement, "validation": 0.0}), "train")
    share = split.extras["textures"].eq(split.targets).double().mean().item()
    assert share == pytest.approx(agreement, abs=0.06)  # 400 images: a standard deviation is at most 0.025


def test_textures_of_the_test_split_come_by_chance_whatever_the_training_images_wear():
    split = loading.load(SMALL.model_copy(update={"texture_agreement": 1.0}), "test")
    assert split.extras["textures"].eq(split.targets).double().mean() < 0.2


def test_in_a_cue_conflict_no_shape_wears_its_own_texture_and_every_texture_is_worn():
    split = loading.load(SMALL, "cue_conflict")
    assert not split.extras["textures"].eq(split.targets).any()
    assert set(split.extras["textures"].tolist()) == set(range(10))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"train_images": 10**9}, r"`data.train_images`: 1,000,000,000 images would be drawn; at most 1,000,000 are"),
        ({"train_images": 600_000, "only": ("star", "ring")}, r"`data.train_images`: 3,000,000 images would be drawn"),
        ({"test_images": 10**9}, r"`data.test_images`: 1,000,000,000 images"),
        (
            {"train_images": 900_000, "image_size": 64},
            r"would take 15 GB of memory, of which 4.0 GB may be used here: choose",
        ),
    ],
)
def test_more_images_than_can_be_drawn_are_refused_before_any_memory_is_taken(settings, message, monkeypatch):
    monkeypatch.setattr(cues.memory, "total", lambda: 8 * 10**9)
    monkeypatch.setattr(cues.np, "arange", lambda count: pytest.fail(f"{count} labels are made"))
    with pytest.raises(UserError, match=message):
        selection.check(DataRecipe(**settings))


def test_shapes_are_balanced():
    assert loading.load(SMALL, "test").targets.bincount().tolist() == [20] * 10


def test_what_is_not_the_object_does_not_depend_on_its_texture():
    one, other = (drawing.draw(3, texture, 48, np.random.default_rng(1)) for texture in (0, 2))  # stripes, checks
    assert np.array_equal(one.mask, other.mask)
    differ = (one.pixels != other.pixels).any(2)
    assert not differ[~_grown(one.mask)].any()
    assert differ[one.mask].mean() > 0.3


@pytest.mark.parametrize("shape", range(10))
def test_every_shape_lies_wholly_in_the_picture_and_is_large_enough_to_see(shape):
    for seed in range(20):
        mask = drawing.draw(shape, 0, 48, np.random.default_rng(seed)).mask
        assert not (mask[0].any())
        assert not (mask[-1].any())
        assert not (mask[:, 0].any())
        assert not (mask[:, -1].any())
        assert mask.mean() > 0.03


@pytest.mark.parametrize("size", [8, 31, 130])
def test_pictures_come_in_any_size(size):
    picture = drawing.draw(0, 0, size, np.random.default_rng(0))
    assert picture.pixels.shape == (size, size, 3)
    assert picture.mask.shape == (size, size)


def test_a_picture_is_the_same_picture_at_another_size():
    small, large = (drawing.draw(8, 3, size, np.random.default_rng(2)).pixels for size in (32, 128))
    shrunk = large.reshape(32, 4, 32, 4, 3).mean((1, 3))
    assert np.abs(shrunk - small).mean() < 4  # of 255


def test_what_was_drawn_is_kept_and_found_again(data_folder, monkeypatch):
    recipe = SMALL.model_copy(update={"seed": 11})
    first = loading.load(recipe, "test")
    monkeypatch.setattr(cues, "drawn", None)  # would fail if called
    again = loading.load(recipe, "test")
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.extras["masks"], again.extras["masks"])
    assert list((data_folder / "cues").glob("test-24px-200-seed11-*.npz"))


@pytest.mark.parametrize("damage", ["cut off", "changed", "empty"])
def test_a_damaged_file_is_drawn_again(data_folder, damage):
    recipe = SMALL.model_copy(update={"seed": 12})
    first = loading.load(recipe, "test")
    (path,) = (data_folder / "cues").glob("test-24px-200-seed12-*.npz")
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {"cut off": whole[:middle], "changed": whole[:middle] + b"damage" + whole[middle + 6 :], "empty": b""}[damage]
    )
    assert torch.equal(first.images, loading.load(recipe, "test").images)
    assert path.read_bytes() == whole


def test_images_of_an_older_drawing_are_dropped(data_folder, monkeypatch):
    recipe = SMALL.model_copy(update={"seed": 13})
    loading.load(recipe, "test")
    (old,) = (data_folder / "cues").glob("test-24px-200-seed13-*.npz")
    monkeypatch.setattr(cues, "_version", lambda: "newer")
    loading.load(recipe, "test")
    assert not old.exists()


def test_a_folder_that_cannot_be_written_is_said_and_does_no_harm(tmp_path, monkeypatch):
    (tmp_path / "cues").write_text("a file where the folder should be")
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    said = []
    assert len(loading.load(SMALL, "test", report=said.append)) == 200
    assert "could not be cached" in said[-1]


def _grown(mask):
    """The mask and the pixels at its rim."""
    padded = np.pad(mask, 1)
    return np.any([padded[y : y + len(mask), x : x + len(mask)] for y in range(3) for x in range(3)], axis=0)


def test_the_cache_keeps_to_its_limit_and_the_least_recently_used_images_go(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    for seed in (0, 1):
        loading.load(DataRecipe(name="cues", train_images=20, image_size=16, seed=seed), "train")
    first, second = sorted((tmp_path / "cues").iterdir())
    os.utime(first, (2, 2))
    os.utime(second, (1, 1))
    monkeypatch.setenv("KD_CUES_GB", str(2.5 * first.stat().st_size / 1e9))
    loading.load(DataRecipe(name="cues", train_images=20, image_size=16, seed=2), "train")
    assert first.exists()
    assert not second.exists()
