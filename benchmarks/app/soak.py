"""The server's memory over many cycles of visitors, uploads and short runs."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.app.browser import Browser
from benchmarks.app.pages import PAGES, together

VISITORS, UPLOADS = 4, 6  # at once; photos of each


def measure(port: int, pid: int, minutes: float, train: Callable[[], None]) -> list[dict[str, Any]]:
    """Memory of the server after each cycle, in MiB.

    Args:
        train: trains a short run to its end.
    """
    rows = [{"cycle": 0, "minutes": 0.0, **memory(pid)}]
    began = time.monotonic()
    while (spent := time.monotonic() - began) < 60 * minutes:
        cycle = len(rows)
        together(lambda place, cycle=cycle: visit(port, 1000 * cycle + place), VISITORS)  # type: ignore[misc]
        train()
        spent = time.monotonic() - began
        rows.append({"cycle": cycle, "minutes": spent / 60, **memory(pid)})
        print(f"  cycle {cycle}, {spent / 60:.1f} min: {rows[-1]['own']:.0f} MiB", flush=True)
    return rows


def visit(port: int, number: int) -> None:
    """One visitor: every page, photos of their own on Attention, every page again."""
    with Browser(port) as browser:
        for page in PAGES.values():
            browser.visit(page)
        browser.visit("attention")
        for place in range(UPLOADS):
            browser.upload(f"photo-{number}-{place}.jpg", photo(100 * number + place))
        for page in PAGES.values():
            browser.visit(page)


def photo(seed: int) -> bytes:
    """A JPEG of two megapixels, different for every seed."""
    import cv2

    random = np.random.default_rng(seed)
    picture = cv2.resize(
        random.integers(0, 256, (40, 60, 3), dtype=np.uint8), (1600, 1200), interpolation=cv2.INTER_CUBIC
    )
    done, content = cv2.imencode(".jpg", picture)
    assert done
    return bytes(content.tobytes())


def memory(pid: int) -> dict[str, float]:
    """In MiB: the process's resident memory, and the part that is not mapped files."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {
        "held": int(status["VmRSS"].split()[0]) / 1024,
        "own": int(status["RssAnon"].split()[0]) / 1024,
        "threads": int(status["Threads"]),
    }


def report(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"The server's memory, MiB: {VISITORS} visitors with {UPLOADS} photos each and a short run a cycle"
    )
    for heading in ("Cycle", "Minutes", "Resident", "Without files", "Threads"):
        table.add_column(heading, justify="right")
    step = -(-len(rows) // 15)
    for row in [*rows[::step], *([rows[-1]] if (len(rows) - 1) % step else [])]:
        table.add_row(
            str(row["cycle"]),
            f"{row['minutes']:.1f}",
            f"{row['held']:.0f}",
            f"{row['own']:.0f}",
            str(int(row["threads"])),
        )
    Console().print(table)
    if len(rows) >= 6:
        print(f"Growth over the second half: {growth(rows):+.1f} MiB a cycle.")


def growth(rows: list[dict[str, Any]]) -> float:
    """The slope of the second half's cycles, in MiB a cycle."""
    late = rows[len(rows) // 2 :]
    return statistics.linear_regression([row["cycle"] for row in late], [row["own"] for row in late]).slope
