"""The measurements of `benchmarks.scale`: one function each, called in a process of its own."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Figures = dict[str, Any]
Seconds = tuple[float, float]  # wall, CPU
SIDE, BATCH, STEPS = 32, 64, 300  # of the batches that are timed


def load_synthetic(folder: Path, count: int, streamed: bool) -> Figures:
    """Noise: a few thousand images, repeated, so that making them costs almost nothing."""
    import torch

    from kdcore.data import reading
    from kdcore.data.datasets.base import Images
    from kdcore.data.split import Split
    from kdcore.runtime import memory

    class Noise:
        classes, pools = ("a", "b"), ("train", "test")
        block = np.random.default_rng(0).integers(0, 256, (4096, SIDE, SIDE, 3), dtype=np.uint8)

        def targets(self, pool: str) -> np.ndarray:
            return np.arange(count) % 2

        def read(self, pool: str, places: np.ndarray, size: int) -> Images:
            return Images(self.block[places % len(self.block)], np.arange(len(places)))

        def identity(self, pool: str, places: np.ndarray) -> bytes:
            return f"noise {count}".encode()

    if streamed:
        memory.free = lambda: 0
    found, seconds = timed(lambda: reading.read(Noise(), "train", np.arange(count), SIDE, lambda text: None))
    pixels = torch.from_numpy(found.pixels).permute(0, 3, 1, 2)
    split = Split("train", Noise.classes, pixels, torch.arange(count) % 2, streamed=found.on_disk)
    return {"reading": seconds, **feeding(split), **taken()}


def load_photos(folder: Path, count: int, streamed: bool) -> Figures:
    from kdcore.data import loading
    from kdcore.recipe import DataRecipe
    from kdcore.runtime import memory

    if streamed:
        memory.free = lambda: 0
    recipe = DataRecipe(name="folder", path=str(folder / "photos"), image_size=64)
    split, seconds = timed(lambda: loading.load(recipe, "train"))
    return {"reading": seconds, **feeding(split), **taken()}


def feeding(split: Any) -> Figures:
    """CPU microseconds an image of batches, flipped and cropped as most recipes do."""
    from kdcore.data.augment import Augmentation
    from kdcore.data.batches import batches

    def some() -> int:
        seen, epoch = 0, 0
        while seen < STEPS:
            for _ in batches(split, BATCH, seed=0, epoch=epoch, augment=Augmentation(("flip", "crop"))):
                seen += 1
                if seen == STEPS:
                    break
            epoch += 1
        return seen

    steps, (wall, cpu) = timed(some)
    return {"µs an image": 1e6 * wall / steps / BATCH, "µs CPU": 1e6 * cpu / steps / BATCH}


def open_run(folder: Path, count: int) -> Figures:
    """The data of a run's page and of its chart; then the same after one more logged step."""
    from kdcore.export import curves
    from kdcore.store import Store

    store = Store(folder)
    (run_id,) = store.ids()

    def answer(since: int) -> int:
        run = store.state(run_id)
        return len(curves.new_points(store, run_id, store.version(run_id), run.status, since, ()))

    size, opening = timed(lambda: answer(-1))
    path = folder / run_id / "events.jsonl"
    with path.open("rb") as file:
        file.seek(-5000, os.SEEK_END)
        last = [line for line in file.read().split(b"\n")[1:] if b'"StepEnded"' in line][-1]
    with path.open("ab") as file:
        file.write(json.dumps(json.loads(last) | {"step": count + 1}).encode() + b"\n")
    _, following = timed(lambda: answer(count))
    return {"opening": opening, "following": following, "answer KiB": size / 1024, **taken()}


def list_runs(folder: Path, page: bool) -> Figures:
    from kdcore.store import Store

    store = Store(folder)
    _, listing = timed(store.states)
    _, again = timed(store.states)
    found: Figures = {"listing": listing, "again": again}
    if page:
        found |= runs_page(store.ids()[0])
    return found | taken()


def runs_page(chosen: str) -> Figures:
    """The page as Streamlit runs it, without a browser: redrawn, and with a run chosen for the first time."""
    from streamlit.testing.v1 import AppTest

    from kdcore.paths import PROJECT
    from pages.parts import engine

    engine.store()  # loads torch, which the server did long before
    test = AppTest.from_file(str(PROJECT / "pages" / "parts" / "shell.py"), default_timeout=600)
    test.switch_page(str(PROJECT / "pages" / "runs.py"))
    _, first = timed(test.run)
    _, page = timed(test.run)
    test.query_params["run"] = chosen
    _, one = timed(test.run)
    if test.exception:
        raise RuntimeError(str(test.exception))
    return {"page, first": first, "page": page, "a run chosen": one}


def timed(what: Callable[[], Any]) -> tuple[Any, Seconds]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = what()
    return found, (time.perf_counter() - wall, time.process_time() - cpu)


def taken() -> Figures:
    """The process's peak memory, and its present memory without mapped files."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {"peak": int(status["VmHWM"].split()[0]) / 1024, "own": int(status["RssAnon"].split()[0]) / 1024}


if __name__ == "__main__":
    what, where, arguments = sys.argv[1:]
    print(json.dumps(globals()[what](Path(where), **json.loads(arguments))))
