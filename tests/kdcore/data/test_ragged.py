"""Images whose shape is kept: resized crops are cut from the whole image, not from its central square; squares stay as they are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kdcore.data import loading, ragged
from kdcore.data.augment import Augmentation, windows
from kdcore.data.batches import batches
from kdcore.data.folders import checking
from kdcore.data.ragged import Ragged
from kdcore.recipe import DataRecipe
from kdcore.recipe.data import ResizedCrop
from kdcore.runtime import memory
from kdcore.runtime.distributed import Process

SIZE = 14  # so that images of 16 pixels are stored as they are


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Wide, tall and square pictures of noise in two classes, as large as they are stored; a data folder of this test's own."""
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(12):
            height, width = [(16, 16), (16, 24), (30, 16)][i % 3]
            noise = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / "photos" / name / f"{i:02}.png")
    return tmp_path / "photos"


def recipe(photos: Path, **settings: object) -> DataRecipe:
    plain = {
        "name": "folder",
        "path": str(photos),
        "image_size": SIZE,
        "validation": 0,
        "resized_crop": ResizedCrop(),
        **settings,
    }
    return DataRecipe.model_validate(plain)


def epoch(split, data, **how):
    return list(batches(split, 4, seed=1, epoch=2, augment=Augmentation.of(data), **how))


def test_a_crop_is_that_of_the_file_as_pillow_cuts_and_resizes_it(photos):
    data = recipe(photos)
    split = loading.load(data, "train")
    found = loading.datasets.of(data)
    files = [
        item.key for item in found.items("train", np.arange(len(split)))]  # fmt: skip
    sizes = torch.from_numpy(split.whole.sizes)
    reached = 0
    for number, batch in enumerate(epoch(split, data)):
        drawn = Augmentation.of(data).draw(len(batch.indices), (SIZE, SIZE), (1, 2, number), sizes[batch.indices])
        for image, place, window in zip(batch.images, batch.indices.tolist(), drawn.windows.tolist(), strict=True):
            top, left, height, width = window
            with Image.open(files[place]) as file:
                part = file.convert("RGB").crop((left, top, left + width, top + height))
                reached += max(left + width, top + height) > 20
            expected = np.asarray(part.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
            np.testing.assert_array_equal((image * 255).round().byte().permute(1, 2, 0).numpy(), expected)
    assert reached  # beyond the central square


def test_squares_and_other_splits_are_as_without_crops(photos):
    whole, square = loading.load(recipe(photos), "train"), loading.load(recipe(photos, resized_crop=None), "train")
    assert torch.equal(whole.images, square.images)
    assert square.whole is None
    assert loading.load(recipe(photos), "test").whole is None
    assert (
        loading.load(
            DataRecipe(name="cues", train_images=20, test_images=10, resized_crop=ResizedCrop()), "train"
        ).whole
        is None
    )


def test_crops_from_disk_are_those_from_memory_and_a_later_run_decodes_nothing(photos, monkeypatch, tmp_path):
    data = recipe(photos)
    held = epoch(loading.load(data, "train"), data)
    monkeypatch.setattr(memory, "free", lambda: 0)
    told: list[str] = []
    loading.load(data, "train", report=told.append)
    assert "take up to 0.0 GiB" in told[0]
    monkeypatch.setattr(checking, "decoded_whole", lambda image, size: pytest.fail("decoded again"))
    streamed = epoch(loading.load(data, "train"), data)
    for one, other in zip(held, streamed, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.targets, other.targets)


@pytest.mark.parametrize("harm", ["no file", "cut", "zeroed", "other sizes", "no sizes"])
def test_a_damaged_file_is_made_again(photos, monkeypatch, tmp_path, harm):
    monkeypatch.setattr(memory, "free", lambda: 0)
    before = loading.load(recipe(photos), "train").whole
    whole = before.block.copy()
    (block,) = (tmp_path / "data" / "decoded").glob("*/whole.uint8")
    sizes = block.with_name("sizes.int64")
    match harm:
        case "no file":
            block.unlink()
        case "cut":
            block.write_bytes(block.read_bytes()[:-1])
        case "zeroed":
            block.write_bytes(bytes(block.stat().st_size))
        case "other sizes":
            sizes.write_bytes(np.fromfile(sizes, np.int64).reshape(-1, 2)[:, ::-1].tobytes())
        case "no sizes":
            sizes.unlink()
    after = loading.load(recipe(photos), "train").whole
    assert np.array_equal(after.block, whole)
    assert np.array_equal(after.sizes, before.sizes)


def test_files_that_cannot_be_read_are_left_out_of_both(photos, monkeypatch):
    (photos / "cat" / "04.png").write_text("no image")
    held = loading.load(recipe(photos), "train")
    monkeypatch.setattr(memory, "free", lambda: 0)
    streamed = loading.load(recipe(photos), "train")
    for split in (held, streamed):
        assert len(split) == len(split.whole) == len(split.images)
    assert np.array_equal(held.whole.block, streamed.whole.block)


def test_processes_share_a_batch_as_one_has_it(photos):
    data = recipe(photos)
    split = loading.load(data, "train")
    alone = epoch(split, data)
    for rank in (0, 1):
        part = epoch(split, data, process=Process(rank=rank, world=2))
        for one, own in zip(alone, part, strict=True):
            places = [one.indices.tolist().index(place) for place in own.indices.tolist()]
            assert torch.equal(one.images[places], own.images)


def test_a_large_image_is_stored_with_a_short_side_of_eight_sevenths_and_a_long_one_of_twice_that():
    def stored(width, height):
        return ragged.shrunk(Image.new("RGB", (width, height)), 224).shape[:2]

    assert [stored(500, 375), stored(375, 500), stored(256, 256)] == [(256, 341), (341, 256), (256, 256)]
    assert [stored(100, 90), stored(4000, 300), stored(10, 300)] == [(90, 100), (256, 512), (20, 10)]
    assert max(np.prod(stored(*side)) * 3 for side in [(500, 375), (4000, 300), (300, 4000)]) <= ragged.most_bytes(224)


def test_of_a_long_image_the_middle_is_stored():
    long = np.zeros((10, 100, 3), np.uint8)
    long[:, 40:60] = 200
    assert (ragged.shrunk(Image.fromarray(long), 14) == 200).all()


def test_a_crop_of_a_square_image_is_that_on_the_device_to_one_level():
    images = np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE, 3), np.uint8)
    drawn = windows.parts(8, (SIZE, SIZE), (0.08, 1.0), (3 / 4, 4 / 3), torch.Generator().manual_seed(0))
    cut = Ragged.of(list(images)).cut(np.arange(8), drawn.numpy(), SIZE)
    device = windows.resized(torch.from_numpy(images), drawn).numpy()
    assert np.abs(cut.astype(int) - device).max() <= 1


def test_windows_of_images_of_one_size_are_the_same_when_each_has_its_own():
    def drawn(side):
        return windows.parts(50, side, (0.08, 1.0), (3 / 4, 4 / 3), torch.Generator().manual_seed(0))

    assert torch.equal(drawn((24, 32)), drawn(torch.tensor([[24, 32]] * 50)))
    sizes = torch.randint(2, 60, (50, 2), generator=torch.Generator().manual_seed(1))
    top, left, height, width = drawn(sizes).unbind(1)
    assert ((height >= 1) & (width >= 1) & (top >= 0) & (left >= 0)).all()
    assert ((top + height <= sizes[:, 0]) & (left + width <= sizes[:, 1])).all()
