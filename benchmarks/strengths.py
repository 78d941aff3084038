"""How fast the strength slider of the Robustness page answers, in a browser: from the key to the new accuracies.

    python -m benchmarks.strengths [--networks "Bundled: CIFAR-10"] [--set patch_scramble] [--moves 6] [--pause 3]

CIFAR-10 has to be in KD_DATA. The page is opened in a headless Chromium and the slider moved by keys, to strengths that were not
computed before and back to those that were. In a pause between two moves the server computes the strengths beside the chosen one;
`--pause 0` leaves it no time for that. By the clock other work on the machine counts too, so the CPU seconds of the server
stand beside it, with one torch thread, since threads that wait for each other on a busy machine use CPU time too: without other
work an answer takes about as long, and less with several cores.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from kdcore.data import perturbations
from kdcore.paths import PROJECT

GOAL = 0.5  # seconds
PATIENCE = 60.0  # seconds for an answer
AFTER = 3.0  # seconds in which the page finishes what it draws
WAIT = 180_000  # milliseconds for the first page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--networks", default="Bundled: CIFAR-10")
    parser.add_argument("--set", default="patch_scramble")
    parser.add_argument("--moves", type=int, default=6)
    parser.add_argument("--pause", type=float, default=AFTER, help="seconds between two moves")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kd-strengths-") as folder, sync_playwright() as playwright:
        port, server = serve(Path(folder))
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            query = urllib.parse.urlencode(
                {"networks": options.networks, "set": perturbations.get(options.set).title, "show": "Strength"}
            )
            opened = timed(server.pid, lambda: opens(page, f"http://127.0.0.1:{port}/robustness?{query}"))
            print(f"opening the page: {opened[0]:.1f} s, {opened[1]:.2f} CPU s of the server")
            settle(page)
            keys = ["ArrowRight"] * (options.moves // 2) + ["ArrowLeft"] * (options.moves // 2)
            moves = [move(page, server.pid, key, options.pause) for key in keys]
        finally:
            browser.close()
            server.terminate()
            server.wait()
    for words, found in (("new strengths", moves[: len(moves) // 2]), ("known ones", moves[len(moves) // 2 :])):
        clock, cpu = (statistics.median(each) for each in zip(*found, strict=True))
        verdict = "within" if clock <= GOAL else "above"
        print(
            f"{words}: {clock:.2f} s by the clock, {verdict} {GOAL} s; {cpu:.2f} CPU s of the server (median of {len(found)})"
        )


def serve(folder: Path) -> tuple[int, "subprocess.Popen[bytes]"]:
    """The app in a process of its own, with its own folder of runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "app.py",
        "--server.headless",
        "true",
        "--server.port",
        str(port),
    ]
    environment = os.environ | {"KD_RUNS": str(folder / "runs"), "OMP_NUM_THREADS": "1"}
    return port, subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL)


def opens(page: Page, address: str) -> None:
    """Until the section is there; the server may still be starting."""
    for _ in range(600):
        try:
            page.goto(address, timeout=WAIT)
            break
        except Exception:  # nothing listens yet
            time.sleep(0.2)
    page.locator(".st-key-live-accuracies").first.wait_for(timeout=WAIT)


def settle(page: Page) -> None:
    """Until the curve has all of its points and nothing is evaluated: the numbers of the page stay as they are."""
    end, before = time.monotonic() + 3 * PATIENCE, ""
    while time.monotonic() < end:
        time.sleep(AFTER)
        now = page.inner_text("body")
        if now == before and not page.locator('[data-testid="stProgress"]').count():
            return
        before = now


def move(page: Page, server: int, key: str, pause: float) -> tuple[float, float]:
    """Seconds by the clock until the accuracies change, and CPU seconds of the server until the pause is over."""
    accuracies = page.locator(".st-key-live-accuracies").first
    before, slider, began, cpu = (
        accuracies.inner_text(),
        page.get_by_role("slider").first,
        time.monotonic(),
        used(server),
    )
    slider.press(key)
    while accuracies.inner_text() == before and time.monotonic() - began < PATIENCE:
        time.sleep(0.01)
    answered = time.monotonic() - began
    time.sleep(pause)
    return answered, used(server) - cpu


def timed(server: int, what: Callable[[], None]) -> tuple[float, float]:
    began, cpu = time.monotonic(), used(server)
    what()
    return time.monotonic() - began, used(server) - cpu


def used(process: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
