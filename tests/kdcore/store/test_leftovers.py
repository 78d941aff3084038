"""What a killed process left is removed when a runner starts; what a living process writes stays."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kdcore.files import atomic
from kdcore.store import Store, leftovers

KILLED = """
import os, sys
from pathlib import Path
from kdcore.files import atomic
writing = [atomic.new_folder(Path(sys.argv[1])), *(atomic.replacing(Path(path)) for path in sys.argv[2:])]
for each in writing:
    each.__enter__()
print("ready", flush=True)
sys.stdin.read()
os.kill(os.getpid(), 9)
"""


def halves(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.half"))


def test_only_what_nobody_writes_any_more_is_removed(tmp_path, tiny):
    root, data = tmp_path / "runs", tmp_path / "data"
    run_id = Store(root).create(tiny())
    files = [root / run_id / "folded.json", root / run_id / "checkpoints" / "1.safetensors", root / "studies" / "a.yaml",
             data / "decoded" / "0a" / "pixels.uint8", data / "cues" / "train.npz", data / "cifar.tar.gz",
             root / run_id / "robustness" / "clean.npz", root / run_id / "commands" / "a.json",
             data / "robustness" / "0b" / "clean.npz", data / "folders" / "photos",
             data / "shared-photos" / "a.webp", data / "listings" / "a.npz", data / "networks" / "costs.json",
             data / "weights" / "own" / "upload"]  # fmt: skip
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", KILLED, str(root / "20260101-000000-a-0000"), *map(str, files)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "ready\n"
        leftovers.sweep_runs(root)
        leftovers.sweep_data(data)
        assert len(halves(tmp_path)) == len(files) + 1  # the writer is alive
        writer.communicate("")
    leftovers.sweep_runs(root)
    leftovers.sweep_data(data)
    assert halves(tmp_path) == []
    assert Store(root).ids() == [run_id]


@pytest.mark.parametrize("name", [".a.npz.00000000-1-2.half", ".a.npz.1-2.half", "recipe.half"])
def test_what_another_machine_or_version_wrote_is_removed_after_a_day(tmp_path, name):
    (tmp_path / name).touch()
    atomic.sweep(tmp_path)
    assert halves(tmp_path) == [name]
    yesterday = time.time() - atomic.ABANDONED - 1
    os.utime(tmp_path / name, (yesterday, yesterday))
    atomic.sweep(tmp_path)
    assert halves(tmp_path) == []


def test_a_deletion_that_was_killed_is_finished_and_an_empty_folder_goes_after_an_hour(tmp_path, tiny):
    store = Store(tmp_path)
    kept = store.create(tiny())
    gone, empty, new, other = (
        tmp_path / name
        for name in (".deleted-20260101-000000-a-0000-1f", "20260101-000000-b-0000", "20260101-000000-c-0000", "mine")
    )
    (gone / "checkpoints").mkdir(parents=True)
    for folder in (empty, new, other):
        folder.mkdir()
    before = time.time() - leftovers.EMPTY_FOR - 1
    for folder in (empty, other):
        os.utime(folder, (before, before))
    leftovers.sweep_runs(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([kept, new.name, "mine"])


def test_a_folder_is_made_as_a_whole_or_not_at_all(tmp_path):
    def fails():
        with atomic.new_folder(tmp_path / "a") as made:
            (made / "file").touch()
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert list(tmp_path.iterdir()) == []
    with atomic.new_folder(tmp_path / "a") as made:
        (made / "file").touch()
        assert not (tmp_path / "a").exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "file"]
