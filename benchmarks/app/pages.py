"""Times of each page, for one visitor and for many, idle and during training."""

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.app.browser import Browser

PAGES = {
    "Start": "",
    "Train": "train",
    "Runs": "runs",
    "Studies": "studies",
    "Attention": "attention",
    "Methods": "methods",
}
THINK_SECONDS = 1.0  # between two visits of a browser
VISITS = 60  # of each page, of all browsers together; at least two a browser
Milliseconds = dict[str, list[float]]


def measure(port: int, run_id: str | None, browsers: int) -> Milliseconds:
    """Each browser goes through all pages, with a pause before each: page -> its times. The first round is not counted."""
    seen: Milliseconds = {name: [] for name in (*PAGES, *(["A run"] if run_id else []))}
    rounds = max(2, min(12, VISITS // browsers))

    def one(place: int) -> None:
        stops = [(name, PAGES[name], "") for name in PAGES] + ([("A run", "train", f"run={run_id}")] if run_id else [])
        stops = stops[place % len(stops) :] + stops[: place % len(stops)]  # not all at one page
        time.sleep(THINK_SECONDS * place / browsers)
        with Browser(port) as browser:
            for turn in range(rounds + 1):
                for name, page, query in stops:
                    time.sleep(THINK_SECONDS)
                    spent = browser.visit(page, query)
                    if turn:
                        seen[name].append(spent)

    together(one, browsers)
    return seen


def together(what: Callable[[int], None], number: int) -> None:
    """The same in several threads at once; an error in one of them is raised here."""
    troubles: list[BaseException] = []

    def guarded(place: int) -> None:
        try:
            what(place)
        except BaseException as trouble:
            troubles.append(trouble)

    threads = [threading.Thread(target=guarded, args=(place,)) for place in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise troubles[0]


def report(figures: dict[str, dict[int, Milliseconds]], numbers: Sequence[int]) -> None:
    """A row a page; a column a number of browsers, idle and during training: median / 95th percentile."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Until a page is complete, ms: median / 95th percentile")
    table.add_column("Page")
    for when in figures:
        for number in numbers:
            table.add_column(f"{when}, {number}", justify="right")
    names: dict[str, Any] = dict.fromkeys(name for rows in figures.values() for seen in rows.values() for name in seen)
    for name in names:
        table.add_row(name, *(spread(rows[number].get(name, [])) for rows in figures.values() for number in numbers))
    Console(width=140).print(table)


def spread(values: list[float]) -> str:
    if len(values) < 2:
        return ""
    return f"{statistics.median(values):.0f} / {statistics.quantiles(values, n=20)[-1]:.0f}"
