"""Response times of the Attention page in a browser, for a covered patch and a 12-megapixel photo, and their cost to a run.

    python -m benchmarks.attention_page [--patches 20] [--uploads 5] [--seconds 10] [--json FILE]

A headless browser on this machine, which takes its own share of the processor, and the app with a run that trains; then the
same with the run stopped. A time goes from the click, or from the chosen file, until the page shows the predictions and maps
of all three networks. The cost: training speed in windows with one upload each, interleaved with windows without.
"""

import argparse
import io
import json
import os
import shutil
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.app.server import CHROMIUM, Server

PATCHES = 8  # a side, as in kdcore.explain.perturb
WAIT_MS = 120_000
WHEN = """(element, words) => new Promise((done) => {
  const look = () => element.textContent.endsWith(words) ? done(performance.now() / 1000) : requestAnimationFrame(look);
  look();
})"""
WIDTH, HEIGHT = 4000, 3000  # of a photo: 12 megapixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--patches", type=int, default=20)
    parser.add_argument("--uploads", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of a window of training with one upload in it")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    if shutil.which("chromium") is None:
        parser.exit(1, "No chromium here (apt-get install chromium).\n")
    figures: dict[str, Any] = {"cores": os.cpu_count(), "load": [os.getloadavg()[0]]}
    with tempfile.TemporaryDirectory(prefix="kd-lab-") as folder:
        server = Server(Path(folder))
        try:
            with browser_page() as page:
                lab = Lab(page, server, Path(folder))
                for _ in range(2):  # networks are loaded and code is compiled
                    lab.upload()
                figures["upload_training"], figures["shares"] = lab.uploads_beside_training(
                    options.uploads, options.seconds
                )
                figures["window_seconds"] = options.seconds
                figures["patch_training"] = lab.covers(options.patches)
                lab.stop_the_run()
                figures["upload_alone"] = [lab.upload() for _ in range(options.uploads)]
                figures["patch_alone"] = lab.covers(options.patches)
        finally:
            server.process.kill()
            server.process.wait()
    figures["load"].append(os.getloadavg()[0])
    report(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


@contextmanager
def browser_page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(WAIT_MS)
        yield page
        browser.close()


class Lab:
    """The Attention page, open in a browser."""

    def __init__(self, page: Any, server: Server, folder: Path) -> None:
        self._page, self._server, self._folder = page, server, folder
        self._photos = 0
        self._open()

    def _open(self) -> None:
        self._page.goto(f"http://127.0.0.1:{self._server.port}/attention")
        self._page.locator("figure canvas").first.wait_for()

    def upload(self) -> float:
        """Seconds until a new photo is compared."""
        self._photos += 1
        name = f"photo-{self._photos}.jpg"
        (self._folder / name).write_bytes(photo(self._photos))
        began = self._now()
        self._page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(self._folder / name)
        return self._when_it_says(".photo .name", name) - began

    def covers(self, number: int) -> list[float]:
        """Seconds until each of so many patches, one after the other, is covered in every map and prediction."""
        page = self._page
        page.get_by_role("button", name="cover it").click()
        tile, spent = page.locator("figure", has=page.locator(".answers")).first.locator(".tile"), []
        side = tile.bounding_box()["width"] / PATCHES
        for place in range(number):
            row, column = divmod(place, PATCHES)
            words = f"{place + 1} {'patch' if place == 0 else 'patches'} covered"
            began = self._now()
            tile.click(position={"x": (column + 0.5) * side, "y": (row + 0.5) * side})
            spent.append(self._when_it_says(".now", f"The photo is {words}.") - began)
        page.get_by_role("button", name="Undo all").click()
        return spent

    def uploads_beside_training(self, number: int, seconds: float) -> tuple[list[float], list[float]]:
        """The seconds of each upload, and the training speed of a window with it as a share of one without."""
        spent, shares = [], []
        for turn in range(number):
            speeds = {}
            for with_upload in (False, True) if turn % 2 else (True, False):
                watch = Speed(self._server, seconds)
                if with_upload:
                    spent.append(self.upload())
                speeds[with_upload] = watch.images_per_second()
            shares.append(speeds[True] / speeds[False])
            print(f"  upload {spent[-1]:.2f} s; training beside it {shares[-1]:.1%}", flush=True)
        return spent, shares

    def _now(self) -> float:
        """Seconds, by the browser's clock."""
        return float(self._page.evaluate("performance.now() / 1000"))

    def _when_it_says(self, selector: str, words: str) -> float:
        """The browser's time when words have appeared, looked at in every frame: Playwright's own waiting looks twice a second."""
        return float(self._page.locator(selector).evaluate(WHEN, words))

    def stop_the_run(self) -> None:
        self._page.goto(f"http://127.0.0.1:{self._server.port}/train?run={self._server.run_id}")
        self._page.get_by_role("button", name="Stop").click()
        self._page.get_by_role("button", name="Resume").wait_for()
        self._open()


class Speed:
    """Training speed over the next seconds, measured beside what else is done."""

    def __init__(self, server: Server, seconds: float) -> None:
        self._found: list[float] = []
        self._thread = threading.Thread(target=lambda: self._found.append(server.images_per_second(seconds)))
        self._thread.start()

    def images_per_second(self) -> float:
        self._thread.join()
        return self._found[0]


def photo(seed: int) -> bytes:
    """A JPEG of 12 megapixels with as much detail as a photo."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 255, (30, 40, 3), np.uint8)).resize(
        (WIDTH, HEIGHT), Image.Resampling.BICUBIC
    )
    grain = random.integers(-8, 8, (HEIGHT, WIDTH, 1), np.int16)
    packed = io.BytesIO()
    Image.fromarray((np.asarray(coarse, np.int16) + grain).clip(0, 255).astype(np.uint8)).save(
        packed, "JPEG", quality=90
    )
    return packed.getvalue()


def report(figures: dict[str, Any]) -> None:
    for title, key in {
        "Covered patch, nothing else running": "patch_alone",
        "Covered patch, a run training": "patch_training",
        "Upload of 12 megapixels, nothing else running": "upload_alone",
        "Upload of 12 megapixels, a run training": "upload_training",
    }.items():
        values = figures[key]
        print(f"{title:42} median {statistics.median(values):.2f} s, worst of {len(values)}: {max(values):.2f} s")
    lost = [(1 - share) * figures["window_seconds"] for share in figures["shares"]]
    print(
        f"An upload costs the run {statistics.median(lost):.2f} s of training (median; {min(lost):.2f} to {max(lost):.2f})."
    )
    print(f"{figures['cores']} cores; load average {figures['load'][0]:.1f} before, {figures['load'][1]:.1f} after.")


if __name__ == "__main__":
    main()
