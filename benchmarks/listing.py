"""How long a run of a million images takes to start, the first and the second time, and how much memory it needs.

    python -m benchmarks.listing [--images 1300000] [--classes 1000] [--folder FOLDER] [--json FILE]

Makes a folder of so many files (links to a few), and tar shards of so many small images, in a temporary folder. Each start is a
process of its own: the data of a recipe are checked, the report is made, and the images of all splits are chosen and identified,
by which their decoded pixels are found. `--decode` decodes them as well, into a memory-mapped file, up to the first batch
(`benchmarks.scale images` times that file alone). "above" is the peak of main memory above that of the process before the start,
without mapped files.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.scale.parts import timed
from kdcore.paths import PROJECT

SIDE, PER_SHARD, BATCH = 8, 10_000, 256
BLOCK = 512
SETTLING = 2.5  # seconds until a folder counts as unchanged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=1_300_000)
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument("--decode", action="store_true", help="load the pixels, too")
    parser.add_argument("--kinds", nargs="+", default=["folder", "shards"], choices=["folder", "shards"])
    parser.add_argument("--folder", type=Path, help="where the images are made; default: a temporary folder")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(start(*options.measure, decode=options.decode)))
        return
    with tempfile.TemporaryDirectory(prefix="kd-listing-", dir=options.folder) as name:
        figures = measured(options, Path(name))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


def measured(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    rows = []
    for kind in options.kinds:
        made = {"folder": make_folder, "shards": make_shards}[kind]
        _, seconds = timed(lambda made=made, kind=kind: made(folder / kind, options.images, options.classes))
        print(f"{kind}: {options.images:,} images made in {seconds[0]:.0f} s", flush=True)
        time.sleep(SETTLING)
        for turn in ("first", "second"):
            found = alone(kind, folder, decode=options.decode)
            rows.append({"kind": kind, "start": turn, **found})
            print("  " + ", ".join(f"{name} {shown(value)}" for name, value in rows[-1].items()), flush=True)
    return rows


def alone(kind: str, folder: Path, *, decode: bool) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.listing", "--measure", kind, str(folder / kind)]
    output = subprocess.run(
        [*command, *(["--decode"] if decode else [])], cwd=PROJECT, check=True, stdout=subprocess.PIPE,
        env=os.environ | {"KD_DATA": str(folder / "data"), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(output.stdout.splitlines()[-1])
    return found


def start(kind: str, path: str, *, decode: bool) -> dict[str, Any]:
    """What a run does with its data before its first step, in seconds of wall and CPU."""
    from kdcore.data import loading, selection
    from kdcore.data.batches import batches
    from kdcore.data.folders import report
    from kdcore.recipe import DataRecipe
    from kdcore.runtime import memory

    memory.free = lambda: 0  # so that pixels are mapped from disk
    data = DataRecipe(name=kind, path=path, image_size=SIDE, train_images=None)
    begun = memory_of("RssAnon")
    found: dict[str, Any] = {}
    with Peak() as peak:
        _, found["check"] = timed(lambda: selection.check(data))
        _, found["report"] = timed(lambda: report.report(data))
        if decode:
            splits, found["splits"] = timed(lambda: [loading.load(data, split) for split in loading.splits(data)])
            _, found["batch"] = timed(lambda: next(batches(splits[0], BATCH, seed=0, epoch=0)))
        else:
            source = selection.source(data)
            _, found["splits"] = timed(lambda: [identity(data, source, split) for split in loading.splits(data)])
    found["whole"] = tuple(map(sum, zip(*found.values(), strict=True)))
    return found | {"above, MiB": peak.highest - begun, "process, MiB": begun}


def identity(data: Any, source: Any, split: str) -> bytes | None:
    from kdcore.data import selection

    pool, places, _ = selection.selected(data, source, split)
    found: bytes | None = source.identity(pool, places)
    return found


class Peak:
    """The highest main memory of this process without mapped files, in MiB, looked at every few milliseconds."""

    def __enter__(self) -> "Peak":
        self.highest, self._over = memory_of("RssAnon"), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self.highest = max(self.highest, memory_of("RssAnon"))

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.highest = max(self.highest, memory_of("RssAnon"))


def memory_of(name: str) -> float:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[name].split()[0]) / 1024


def make_folder(folder: Path, images: int, classes: int) -> None:
    """A folder for each class, as ImageNet has them; the files of a class are links to one image."""
    for label in range(classes):
        inside = folder / "train" / f"n{label:08}"
        inside.mkdir(parents=True)
        first = str(inside / f"n{label:08}_0.JPEG")
        Path(first).write_bytes(encoded(label))
        for number in range(1, images // classes + (label < images % classes)):
            os.link(first, f"{first[:-6]}{number}.JPEG")


def make_shards(folder: Path, images: int, classes: int) -> None:
    """Shards of ten thousand images, each with its label beside it."""
    folder.mkdir(parents=True)
    content = [encoded(label) for label in range(min(classes, 100))]
    for shard in range(-(-images // PER_SHARD)):
        with (folder / f"train-{shard:06}.tar").open("wb") as file:
            for place in range(shard * PER_SHARD, min(images, (shard + 1) * PER_SHARD)):
                file.write(entry(f"{place:09}.jpg", content[place % len(content)]))
                file.write(entry(f"{place:09}.cls", str(place * 7919 % classes).encode()))
            file.write(bytes(2 * BLOCK))


def entry(name: str, content: bytes) -> bytes:
    """A file as a tar file holds it."""
    header = bytearray(BLOCK)
    for start, text in (
        (0, name),
        (100, "0000644"),
        (124, f"{len(content):011o}"),
        (136, "0" * 11),
        (156, "0"),
        (257, "ustar\00000"),
    ):
        header[start : start + len(text)] = text.encode()
    header[148:156] = b" " * 8
    header[148:155] = f"{sum(header):06o}\0".encode()
    return bytes(header) + content + bytes(-len(content) % BLOCK)


def encoded(seed: int) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    Image.fromarray(noise).save(file, "JPEG", quality=50)
    return file.getvalue()


def shown(value: Any) -> str:
    match value:
        case [wall, cpu]:
            return f"{wall:.2f} s ({cpu:.2f})"
        case float():
            return f"{value:.0f}"
    return str(value)


if __name__ == "__main__":
    main()
