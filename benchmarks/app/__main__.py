"""Training speed with and without viewers of the live page and phones that follow a presenter, page times, and the server's memory over time.

    python -m benchmarks.app [watching following pages soak] [--watchers 0 1 10] [--client light chromium] [--seconds 20] [--rounds 3]
                             [--phones 25] [--browsers 1 10 25] [--minutes 4] [--json FILE]

Two kinds of viewers. `light` viewers use Streamlit's websocket with the page's fragments, and the live data route once a
second, without drawing, as if their browsers were on other machines. `chromium` viewers are pages of a headless browser on
this machine, which uses the same processor. Numbers of viewers alternate within a round, and speeds are compared within it,
since the load of a shared machine changes. Pages are timed by light visitors until a page has arrived completely; drawing
it in the browser is not included.
"""

import argparse
import json
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.app import following, pages, soak, watching
from benchmarks.app.server import Server

PARTS = ("watching", "following", "pages", "soak")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("parts", nargs="*", default=[], metavar="watching|following|pages|soak")
    parser.add_argument("--watchers", type=int, nargs="+", default=[0, 1, 10])
    parser.add_argument("--client", nargs="+", default=["light", "chromium"], choices=["light", "chromium"])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--phones", type=int, default=25, help="that follow a presenter")
    parser.add_argument("--browsers", type=int, nargs="+", default=[1, 10, 25], help="that visit pages at once")
    parser.add_argument("--minutes", type=float, default=4.0, help="of use, while memory is watched")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    parts = options.parts or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}.")
    if "chromium" in options.client and shutil.which("chromium") is None:
        print("chromium is not installed (apt-get install chromium): light viewers only.")
        options.client = ["light"]

    figures: dict[str, Any] = {}
    if "watching" in parts:
        figures["watching"] = watching.costs(options.client, options.watchers, options.seconds, options.rounds)
    if "following" in parts:
        figures["following"] = following.costs(options.phones, options.seconds, options.rounds)
    if "pages" in parts:
        figures["pages"] = visits(options.browsers)
    if "soak" in parts:
        figures["soak"] = use(options.minutes)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


def visits(browsers: list[int]) -> dict[str, Any]:
    """Each page's times, while nothing trains and while something does."""
    figures: dict[str, Any] = {}
    for when, training in (("idle", False), ("training", True)):
        with tempfile.TemporaryDirectory(prefix="kd-bench-") as folder:
            server = Server(Path(folder), training=training)
            try:
                figures[when] = {}
                for number in browsers:
                    figures[when][number] = pages.measure(server.port, server.run_id or None, number)
                    slow = max(statistics.median(times) for times in figures[when][number].values())
                    print(f"  {when}, {number:2} browsers: the slowest page takes {slow:.0f} ms (median)", flush=True)
            finally:
                server.process.kill()
                server.process.wait()
    pages.report(figures, browsers)
    return figures


def use(minutes: float) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="kd-bench-") as folder:
        server = Server(Path(folder), training=False)
        try:
            rows = soak.measure(server.port, server.process.pid, minutes, server.train_a_little)
        finally:
            server.process.kill()
            server.process.wait()
    soak.report(rows)
    return rows


if __name__ == "__main__":
    main()
