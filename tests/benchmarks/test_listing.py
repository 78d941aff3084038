"""What the benchmark of listings makes is what it says, and its starts run; their figures are not checked."""

import tarfile

import pytest

from benchmarks import listing
from kdcore.data import selection
from kdcore.recipe import DataRecipe
from kdcore.runtime import memory


def test_shards_are_tar_files_with_an_image_and_a_label_for_each_key(tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "PER_SHARD", 20)
    listing.make_shards(tmp_path / "shards", 50, 3)
    names, labels = [], []
    for path in sorted((tmp_path / "shards").iterdir()):
        with tarfile.open(path) as tar:
            for member in tar:
                names.append(member.name)
                if member.name.endswith(".cls"):
                    labels.append(int(tar.extractfile(member).read()))
    assert names == [f"{place:09}.{ending}" for place in range(50) for ending in ("jpg", "cls")]
    assert set(labels) == {0, 1, 2}


@pytest.mark.parametrize("kind", ["folder", "shards"])
def test_a_start_is_measured(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(memory, "free", memory.free)  # the start replaces it
    {"folder": listing.make_folder, "shards": listing.make_shards}[kind](tmp_path / kind, 61, 3)
    assert sum(selection.counts(DataRecipe(name=kind, path=str(tmp_path / kind))).values()) == 61
    for decode in (False, True):
        found = listing.start(kind, str(tmp_path / kind), decode=decode)
        assert {"check", "report", "splits", "whole", "above, MiB"} <= found.keys()
        assert ("batch" in found) is decode
