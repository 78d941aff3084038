"""Journeys of a talk in real browsers: how many clicks each takes, and after how many seconds its result is on the screen.

    python -m benchmarks.journeys [--pictures docs/pictures] [--phones 3]      two to ten minutes

A server that others reach, a presenter's browser and phones in Chromium, all on this machine. The run is the recipe `quick`, from
the button on Start; it is stopped at the end. With `--pictures`, what is seen on the way is saved for README.md.
"""

import argparse
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from kdcore.store import Store
from tests.chromium import FLAGS
from tests.served.conftest import serving

PASSCODE = "correct horse"
PATIENCE_SECONDS = 600.0
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PRESENTED = {"width": 1920, "height": 1080}
LOOK_SECONDS = 0.02
GAP = 24  # pixels between two phones of a picture
MOVING = "svg.chart"


class Talk:
    """The presenter's page, and the journeys measured so far: name, clicks, seconds."""

    def __init__(self, page: Page, store: Store, url: str) -> None:
        self.page, self.store, self.url = page, store, url
        self.rows: list[tuple[str, str, float]] = []

    def measure(self, name: str, clicks: str, act: Callable[[], object], seen: Callable[[], object]) -> None:
        began = time.monotonic()
        act()
        until(self.page, seen)
        self.rows.append((name, clicks, time.monotonic() - began))
        print(f"  {name}: {clicks}, {self.rows[-1][2]:.1f} s", flush=True)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)


def until(page: Page, true: Callable[[], object]) -> None:
    """Wait; the page's own timer, since addresses of pages change only while the browser's messages are read."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"It did not happen within {PATIENCE_SECONDS:.0f} s.")
        page.wait_for_timeout(1000 * LOOK_SECONDS)


def changes(page: Page, selector: str) -> Callable[[], bool]:
    """Whether an element is there and has changed since it was first there."""
    first: list[str] = []

    def seen() -> bool:
        found = page.locator(selector).first
        now = found.inner_html() if found.count() else ""
        if now and not first:
            first.append(now)
        return bool(now) and now != first[0]

    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pictures", type=Path, help="a folder for the pictures of README.md")
    parser.add_argument("--phones", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kd-bench-") as folder, sync_playwright() as playwright:
        settings = {"KD_PASSCODE": PASSCODE, "KD_THREADS": "1"}
        with serving(Path(folder), "everywhere", **settings) as served:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            url, store = f"http://127.0.0.1:{served.port}", Store(served.folder / "runs")
            talk = Talk(opened(browser, WIDE), store, url)
            give(talk, [opened(browser, PHONE) for _ in range(options.phones)], options.pictures)
            browser.close()
    print(table(talk.rows))


def opened(browser: Browser, size: Any) -> Page:
    """A window of its own, as on another device."""
    page = browser.new_context(viewport=size, has_touch=size == PHONE).new_page()
    page.set_default_timeout(1000 * PATIENCE_SECONDS)
    expect.set_options(timeout=1000 * PATIENCE_SECONDS)
    return page


def give(talk: Talk, phones: list[Page], pictures: Path | None) -> None:
    """The talk from beginning to end."""
    page = talk.page
    talk.measure("something moves on Start", "0", lambda: page.goto(talk.url), changes(page, MOVING))
    enter(page)
    run_id = live_run(talk)
    join(talk, phones, run_id)
    knob(talk, run_id)
    if pictures:
        show(talk, phones, run_id, pictures)
    follow(talk, phones, run_id)
    fork_and_compare(talk)
    for each in talk.store.states():
        page.goto(f"{talk.url}/train?run={each.id}")
        if talk.button("Stop").count():
            talk.button("Stop").first.click()


def enter(page: Page) -> None:
    page.get_by_role("button", name="Watching").click()
    page.get_by_label("Passcode").fill(PASSCODE)
    page.get_by_role("button", name="Enter", exact=True).click()
    expect(page.get_by_role("button", name="Operator")).to_be_visible()
    page.keyboard.press("Escape")


def live_run(talk: Talk) -> str:
    """From Start to a run whose curve and maps have moved."""
    page = talk.page
    maps = page.locator('canvas.heat[aria-label^="Where the Student"]')
    moved = changes(page, MOVING)

    def seen() -> bool:
        return "run=" in page.url and maps.count() > 0 and moved()

    talk.measure("a live run, its curve and maps moving", "1", talk.button("Train it here").click, seen)
    return re.search(r"run=([\w.-]+)", page.url)[1]  # type: ignore[index]


def join(talk: Talk, phones: list[Page], run_id: str) -> None:
    """The QR code has this address."""
    for phone in phones[1:]:
        phone.goto(f"{talk.url}/?follow=1")
    talk.measure(
        "a phone that scans the QR code shows the run",
        "0",
        lambda: phones[0].goto(f"{talk.url}/?follow=1"),
        lambda: run_id in phones[0].url and phones[0].locator("canvas.heat").count(),
    )
    for phone in phones:
        phone.wait_for_url(f"**{run_id}*")


def knob(talk: Talk, run_id: str) -> None:
    """The slider, moved by a key as far as by a drag of a few pixels."""
    slider = talk.page.get_by_role("slider", name="Weight of kd")
    talk.measure(
        "a knob, used by the run", "a drag", lambda: slider.press("ArrowRight"), lambda: talk.store.state(run_id).knobs
    )


def follow(talk: Talk, phones: list[Page], run_id: str) -> None:
    """The presenter goes to another page; until its heading is on a phone that follows."""
    for name in ("Methods", "Studies", "Runs"):
        talk.page.get_by_role("link", name=name, exact=True).click()
        talk.page.get_by_role("heading", name=name, exact=True).wait_for()
        began = time.monotonic()
        headings = [phone.get_by_role("heading", name=name, exact=True) for phone in phones]
        until(talk.page, lambda found=headings: all(each.count() for each in found))
        talk.rows.append(
            (
                f"all {len(phones)} phones have followed to {name}, after the presenter's page",
                "0",
                time.monotonic() - began,
            )
        )
    talk.page.goto(f"{talk.url}/train?run={run_id}")


def fork_and_compare(talk: Talk) -> None:
    page = talk.page
    talk.button("Fork").wait_for()

    def fork() -> None:
        talk.button("Fork").click()
        talk.button("Start the fork").click()

    both = re.compile(r"/runs\?.*run=.*run=")
    talk.measure(
        "a fork, on one chart with its parent", "2", fork, lambda: both.search(page.url) and page.locator("svg").count()
    )
    page.get_by_role("link", name="Start", exact=True).click()
    page.get_by_role("heading", name="Distillation Explorer").wait_for()

    def compare() -> None:
        page.get_by_role("link", name="Runs", exact=True).click()
        page.get_by_role("button", name=re.compile("^Select all")).click()

    talk.measure("the runs compared, from any page", "2", compare, lambda: page.get_by_text("runs compared").count())


def show(talk: Talk, phones: list[Page], run_id: str, folder: Path) -> None:
    """The presenter's screen while the run goes on, large type, and the phones."""
    page = talk.page
    until(page, lambda: talk.store.state(run_id).progress > 0.35)
    page.wait_for_timeout(3000)
    page.screenshot(path=folder / "talk-presenter.png")
    phones[-1].emulate_media(color_scheme="dark")
    if len(phones) > 1:
        phones[1].mouse.wheel(0, 520)
        phones[1].wait_for_timeout(2000)
    side_by_side(
        [picture(each, folder / f"phone-{place}.png") for place, each in enumerate(phones)], folder / "talk-phones.png"
    )
    page.set_viewport_size(PRESENTED)
    page.keyboard.press("p")
    page.wait_for_timeout(4000)
    page.screenshot(path=folder / "talk-present.png")
    page.keyboard.press("p")
    page.set_viewport_size(WIDE)


def picture(page: Page, path: Path) -> Image.Image:
    page.screenshot(path=path)
    with Image.open(path) as image:
        image.load()
    path.unlink()
    return image


def side_by_side(images: list[Image.Image], path: Path) -> None:
    width = sum(each.width for each in images) + GAP * (len(images) + 1)
    whole = Image.new("RGB", (width, images[0].height + 2 * GAP), "#d9d9d6")
    for place, each in enumerate(images):
        whole.paste(each, (GAP + place * (each.width + GAP), GAP))
    whole.save(path)


def table(rows: list[tuple[str, str, float]]) -> str:
    return "\n".join(
        ["| journey | clicks | seconds |", "|---|---|---|"]
        + [f"| {name} | {clicks} | {seconds:.1f} |" for name, clicks, seconds in rows]
    )


if __name__ == "__main__":
    main()
