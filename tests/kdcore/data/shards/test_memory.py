"""What an index takes in memory, an image; docs/recipes.md states 400 bytes for all that chooses the images of a run."""

import tracemalloc

import pytest

from benchmarks import listing
from kdcore.data import selection
from kdcore.data.folders import contents, stored
from kdcore.recipe import DataRecipe

IMAGES, MOST = 5_000, 400  # bytes an image


@pytest.mark.parametrize("turn", ["first", "second"])
def test_images_are_chosen_within_the_stated_memory(tmp_path, monkeypatch, turn):
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(contents, "SETTLED_NS", -(10**12))
    monkeypatch.setattr(listing, "PER_SHARD", IMAGES // 10)
    listing.make_shards(tmp_path / "shards", IMAGES, 10)
    data = DataRecipe(name="shards", path=str(tmp_path / "shards"))
    if turn == "second":
        assert len(selection.source(data).listing) == IMAGES
        stored._cache.clear()
        monkeypatch.setattr("kdcore.data.shards.tar.entries", lambda file: pytest.fail("read again"))
    selection.check(DataRecipe(name="cues"))  # what is imported and held once
    tracemalloc.start()
    try:
        selection.check(data)
        source = selection.source(data)
        for split in selection.splits(data, source):
            pool, places, _ = selection.selected(data, source, split)
            source.identity(pool, places)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / IMAGES < MOST
