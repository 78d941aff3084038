"""The pictures of the pages in README.md; those of Train and Studies are of runs that are trained for them.

    python -m tools.page_pictures [start] [attention] [methods] [pitfalls] [train] [study] [robustness]

Needs Chromium, and for `robustness` the images of CIFAR-10 in KD_DATA. On two idle cores `train` takes two minutes,
`study` (12 runs) eight, the others seconds to a minute.
"""

import argparse
import re
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from kdcore.paths import PROJECT, data_folder
from kdcore.store import Studies
from tests.chromium import FLAGS
from tests.e2e.conftest import Server, serving, until

FOLDER = PROJECT / "docs" / "pictures"
WIDTH = 1440
SHOWN_AT = 0.63  # of the live run
HOURS = 3600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("pictures", nargs="*", metavar="NAME", help=f"some of {', '.join(PICTURES)}; all by default")
    chosen = parser.parse_args().pictures or list(PICTURES)
    if unknown := [name for name in chosen if name not in PICTURES]:
        parser.error(f"Unknown picture {unknown[0]!r}: choose from {', '.join(PICTURES)}.")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        link_cifar10(Path(folder) / "data")
        with serving(Path(folder) / "server", Path(folder) / "data") as server:
            for name in chosen:
                page = browser.new_page(viewport={"width": WIDTH, "height": 1000}, reduced_motion="reduce")
                page.set_default_timeout(120_000)
                PICTURES[name](page, server)
                page.screenshot(path=FOLDER / f"{name}.png")
                page.close()
                print(FOLDER / f"{name}.png")
        browser.close()


def link_cifar10(data: Path) -> None:
    """CIFAR-10 for a server with an empty data folder, if it is on this machine."""
    images = data_folder() / "cifar-10-batches-py"
    if images.is_dir():
        data.mkdir(exist_ok=True)
        (data / images.name).symlink_to(images.resolve())


def start(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.get_by_role("button", name="Train it here").wait_for()
    settle(page)


def attention(page: Page, server: Server) -> None:
    page.set_viewport_size({"width": WIDTH, "height": 1180})
    page.goto(f"{server.url}/attention")
    page.get_by_text("Purple: more in the map of the teacher.").wait_for()
    settle(page)


def methods(page: Page, server: Server) -> None:
    """The card of knowledge distillation."""
    page.set_viewport_size({"width": WIDTH, "height": 1500})
    page.goto(f"{server.url}/methods?method=kd")
    page.get_by_text("Entropy is 0 for a one-hot label").wait_for()
    settle(page)


def pitfalls(page: Page, server: Server) -> None:
    page.set_viewport_size({"width": WIDTH, "height": 800})
    page.goto(f"{server.url}/studies")
    page.get_by_role("button", name="Run", exact=True).last.wait_for()
    settle(page)


def train(page: Page, server: Server) -> None:
    """A quick run, live: accuracy, heatmaps and settings on one screen."""
    page.set_viewport_size({"width": WIDTH, "height": 900})
    page.goto(server.url)
    page.get_by_role("button", name="Train it here").click()
    page.wait_for_url(re.compile("run="))
    run_id = page.url.partition("run=")[2]
    until(lambda: server.store.state(run_id).progress > SHOWN_AT, "the run has curves", seconds=HOURS)
    settle(page)


def study(page: Page, server: Server) -> None:
    """The study `temperature`, finished."""
    page.set_viewport_size({"width": WIDTH, "height": 1400})
    page.goto(f"{server.url}/studies")
    page.get_by_role("tab", name="Ready-made studies").click()
    page.get_by_role("combobox", name="Study").fill("temperature")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Start study").first.click()
    page.wait_for_url(re.compile("study="))
    studies = Studies(server.store)
    until(lambda: studies.states()[0].status == "finished", "all runs are done", seconds=HOURS)
    page.reload()
    page.get_by_text("12 of 12 runs done").wait_for()
    settle(page)


def robustness(page: Page, server: Server) -> None:
    """Calibration of the bundled networks for CIFAR-10."""
    page.set_viewport_size({"width": WIDTH, "height": 1020})
    page.goto(f"{server.url}/robustness?networks=Bundled:+CIFAR-10&measure=Calibration")
    page.get_by_role("button", name="Evaluate on all test sets").wait_for()  # there when the evaluation has ended
    settle(page)


def settle(page: Page) -> None:
    """Wait until charts and maps are drawn."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(3000)


PICTURES = {
    "start": start, "attention": attention, "methods": methods, "pitfalls": pitfalls, "train": train, "study": study,
    "robustness": robustness,
}  # fmt: skip

if __name__ == "__main__":
    main()
