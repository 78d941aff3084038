"""What watching costs: training speed with and without viewers on the live page, how fast news reaches them, how fast the
server closes. How long each page takes, and the server's memory over use.

    python -m benchmarks.app [watching pages soak] [--watchers 0 1 10] [--client light chromium] [--seconds 20] [--rounds 3]
                             [--browsers 1 10 25] [--minutes 4] [--json FILE]

Two kinds of viewers. `light` ones speak what a browser speaks (Streamlit's websocket with the page's fragments, and the live
data route once a second) and draw nothing, as if their browsers were on other machines. `chromium` ones are real pages of a
headless browser on this machine, which takes its own share of the processor. Numbers of viewers alternate within a round,
and speeds are compared within it, since a shared machine changes its pace. Pages are timed by light visitors until all of a
page has come: drawing it is the browser's.
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks import _app_pages, _app_soak
from kdcore import recipe as recipes
from kdcore.folders import ASSETS, PROJECT
from kdcore.recipe import Recipe
from kdcore.store import RESUMABLE, Store

SETTLE_SECONDS = 4.0  # for viewers to arrive, before anything is measured
POLL_SECONDS = 1.0
CHROMIUM = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("parts", nargs="*", default=[], metavar="watching|pages|soak")
    parser.add_argument("--watchers", type=int, nargs="+", default=[0, 1, 10])
    parser.add_argument("--client", nargs="+", default=["light", "chromium"], choices=["light", "chromium"])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--browsers", type=int, nargs="+", default=[1, 10, 25], help="that visit pages at once")
    parser.add_argument("--minutes", type=float, default=4.0, help="of use, while memory is watched")
    parser.add_argument("--json", type=Path, help="write the figures there")
    asked = parser.parse_args()
    parts = asked.parts or ["watching", "pages", "soak"]
    if strange := set(parts) - {"watching", "pages", "soak"}:
        parser.error(f"unknown: {', '.join(sorted(strange))}; choose of watching, pages, soak.")
    if "chromium" in asked.client and shutil.which("chromium") is None:
        print("No chromium here (apt-get install chromium): light viewers only.")
        asked.client = ["light"]

    figures: dict[str, Any] = {}
    if "watching" in parts:
        figures["watching"] = watching(asked)
    if "pages" in parts:
        figures["pages"] = pages(asked.browsers)
    if "soak" in parts:
        figures["soak"] = soak(asked.minutes)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


def watching(asked: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="kd-bench-") as folder:
        server = Server(Path(folder))
        try:
            for client in asked.client:
                figures[client] = measure(server, client, asked.watchers, asked.seconds, asked.rounds)
            with viewers(server, "light", max(asked.watchers)):
                time.sleep(SETTLE_SECONDS)
                figures["closing"] = server.close()
        finally:
            server.process.kill()
            server.process.wait()
    report(figures)
    return figures


def pages(browsers: list[int]) -> dict[str, Any]:
    """Each page's times, while nothing trains and while something does."""
    figures: dict[str, Any] = {}
    for when, training in (("idle", False), ("training", True)):
        with tempfile.TemporaryDirectory(prefix="kd-bench-") as folder:
            server = Server(Path(folder), training=training)
            try:
                figures[when] = {}
                for number in browsers:
                    figures[when][number] = _app_pages.measure(server.port, server.run_id or None, number)
                    slow = max(statistics.median(times) for times in figures[when][number].values())
                    print(f"  {when}, {number:2} browsers: the slowest page takes {slow:.0f} ms (median)", flush=True)
            finally:
                server.process.kill()
                server.process.wait()
    _app_pages.report(figures, browsers)
    return figures


def soak(minutes: float) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="kd-bench-") as folder:
        server = Server(Path(folder), training=False)
        try:
            rows = _app_soak.measure(server.port, server.process.pid, minutes, server.train_a_little)
        finally:
            server.process.kill()
            server.process.wait()
    _app_soak.report(rows)
    return rows


class Server:
    """The app in a process of its own, with a long run in it, or with none."""

    def __init__(self, folder: Path, *, training: bool = True) -> None:
        plain = recipes.load(ASSETS / "recipes" / "quick.yaml").model_dump(mode="json")
        # any teacher costs the same; this one need not have been trained
        plain |= {"name": "benchmark", "teacher": {"model": "small_vit_patch8_64", "accept": True}, "epochs": 2000}
        self.asked = folder / "asked"  # recipes to be run
        self.asked.mkdir()
        self.long = recipes.from_plain(plain)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.store = Store(folder / "runs")
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(self.asked), str(self.port)],
            cwd=PROJECT,
            env=os.environ | {"KD_RUNS": str(folder / "runs"), "KD_DATA": str(folder / "data")},
        )
        self.batch_size = self.long.data.batch_size
        self._until(self._answers, 120)
        self.run_id = ""
        if training:
            self.run_id = self.start(self.long)
            self._until(lambda: self.store.state(self.run_id).step > 20, 180)

    def start(self, recipe: Recipe) -> str:
        """Have a recipe run; returns the run's id once it is there."""
        before = set(self.store.ids())
        half = self.asked / "recipe.half"
        half.write_text(recipe.to_yaml(), encoding="utf-8")
        half.rename(self.asked / "recipe.yaml")
        self._until(lambda: set(self.store.ids()) - before, 60)
        (run_id,) = set(self.store.ids()) - before
        return run_id

    def train_a_little(self) -> None:
        """Three epochs of few images, to the end."""
        few = self.long.data.model_copy(update={"train_images": 500, "test_images": 200, "labels": 200})
        run_id = self.start(self.long.model_copy(update={"epochs": 3, "name": "short", "data": few}))
        self._until(lambda: self.store.state(run_id).status in ("finished", *RESUMABLE), 180)

    def _answers(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            asked.request("GET", "/_stcore/health")
            return asked.getresponse().status == 200
        return False

    def _until(self, true: Callable[[], object], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not true():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                sys.exit("The server or its run did not start; see above.")
            time.sleep(0.2)

    def images_per_second(self, seconds: float) -> float:
        """Between the first and the last step that are told of within so many seconds."""
        path = self.store.folder(self.run_id) / "events.jsonl"
        start = path.stat().st_size
        time.sleep(seconds)
        with path.open("rb") as file:
            file.seek(start)
            events = [json.loads(line) for line in file.read().splitlines(keepends=True) if line.endswith(b"\n")]
        steps = [event for event in events if event["event"] == "StepEnded"]
        taken, spent = steps[-1]["step"] - steps[0]["step"], steps[-1]["time"] - steps[0]["time"]
        return float(taken * self.batch_size / spent)

    def close(self) -> dict[str, Any]:
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        spent = time.monotonic() - began
        state = self.store.state(self.run_id)
        kept = self.store.checkpoint(self.run_id)
        return {
            "seconds": spent,
            "status": state.status,
            "checkpoint": kept is not None and int(kept.stem) == state.step,
        }


SERVE = """
import pathlib, sys, threading, time
from kdcore import recipe, runner
from streamlit.web.cli import main

def start_what_is_asked_for(asked):
    while True:
        if asked.is_file():
            found = recipe.load(asked)
            asked.unlink()
            runner.get().start(found)
        time.sleep(0.1)

asked = pathlib.Path(sys.argv[1]) / "recipe.yaml"
threading.Thread(target=start_what_is_asked_for, args=(asked,), daemon=True).start()
sys.argv = ["streamlit", "run", "app.py", "--server.headless", "true", "--server.port", sys.argv[2],
            "--logger.hideWelcomeMessage", "true"]
main()
"""


def measure(server: Server, client: str, watchers: list[int], seconds: float, rounds: int) -> dict[int, dict[str, Any]]:
    """For each number of viewers: training speed, and its ratio to that of nobody watching in the same round."""
    speeds: dict[int, list[float]] = {number: [] for number in watchers}
    answers: dict[int, list[float]] = {number: [] for number in watchers}
    redraws: dict[int, list[float]] = {number: [] for number in watchers}
    for turn in range(rounds):
        for number in watchers[turn % len(watchers) :] + watchers[: turn % len(watchers)]:
            with viewers(server, client, number) as seen:
                time.sleep(SETTLE_SECONDS if number else 1.0)
                seen.clear()
                speeds[number].append(server.images_per_second(seconds))
            answers[number] += seen.answers
            redraws[number] += seen.redraws
            print(f"  {client}, {number:2} watching: {speeds[number][-1]:7.1f} images/s", flush=True)
    nobody = speeds.get(0) or speeds[min(watchers)]
    return {
        number: {
            "images_per_second": statistics.median(speeds[number]),
            "share": statistics.median(here / base for here, base in zip(speeds[number], nobody, strict=True)),
            "answer_ms": percentiles(answers[number]),
            "redraw_ms": percentiles(redraws[number]),
        }
        for number in watchers
    }


class Seen:
    """What viewers saw, in milliseconds: answers of the live data route, and parts of the page drawn again."""

    def __init__(self) -> None:
        self.answers: list[float] = []
        self.redraws: list[float] = []

    def clear(self) -> None:
        self.answers.clear()
        self.redraws.clear()


@contextmanager
def viewers(server: Server, client: str, number: int) -> Iterator[Seen]:
    seen = Seen()
    with ExitStack() as stack:
        if number and client == "chromium":
            stack.enter_context(chromium_pages(server, number, seen))
        elif number:
            stack.enter_context(light_viewers(server, number, seen))
        yield seen


@contextmanager
def light_viewers(server: Server, number: int, seen: Seen) -> Iterator[None]:
    over = threading.Event()
    troubles: list[BaseException] = []

    def one(place: int) -> None:
        try:
            watch(server, seen, over, place * POLL_SECONDS / number)
        except Exception as trouble:
            troubles.append(trouble)

    threads = [threading.Thread(target=one, args=(place,), daemon=True) for place in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
    if troubles:
        raise troubles[0]


def watch(server: Server, seen: Seen, over: threading.Event, delay: float) -> None:
    """One browser on the live page: the page's own reruns, and the chart's requests."""
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ClientState_pb2 import ClientState
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    def ask(**what: Any) -> None:
        state = ClientState(query_string=f"run={server.run_id}", page_name="train", **what)
        live.send(BackMsg(rerun_script=state).SerializeToString())

    over.wait(delay)
    fragments: dict[str, tuple[float, float]] = {}  # id -> every so many seconds, next time
    asked: float | None = None
    script = ""
    since, poll_at = -1, time.monotonic()
    with (
        suppress(ConnectionClosed, OSError, http.client.HTTPException),
        connect(f"ws://127.0.0.1:{server.port}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as live,
    ):
        data = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        ask()
        while not over.is_set():
            with suppress(TimeoutError):
                message = ForwardMsg.FromString(live.recv(timeout=0.02))
                match message.WhichOneof("type"):
                    case "new_session":
                        script = message.new_session.page_script_hash
                    case "auto_rerun":
                        every = message.auto_rerun.interval
                        fragments[message.auto_rerun.fragment_id] = (every, time.monotonic() + every)
                    case "script_finished" if asked:
                        seen.redraws.append(1000 * (time.perf_counter() - asked))
                        asked = None
                continue
            now = time.monotonic()
            if now >= poll_at:
                poll_at = now + POLL_SECONDS
                began = time.perf_counter()
                data.request("GET", f"/api/runs/{server.run_id}/series?since={since}")
                since = json.loads(data.getresponse().read())["step"]
                seen.answers.append(1000 * (time.perf_counter() - began))
            for fragment, (every, due) in fragments.items():
                if now >= due and asked is None:
                    fragments[fragment] = (every, now + every)
                    asked = time.perf_counter()
                    ask(fragment_id=fragment, is_auto_rerun=True, page_script_hash=script)
        data.close()


@contextmanager
def chromium_pages(server: Server, number: int, seen: Seen) -> Iterator[None]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        pages = [browser.new_context().new_page() for _ in range(number)]
        for page in pages:
            page.goto(f"http://127.0.0.1:{server.port}/train?run={server.run_id}")
        for page in pages:
            page.get_by_role("button", name="Pause").wait_for(timeout=120_000)
        began = [page.evaluate("performance.now()") for page in pages]
        yield
        for page, since in zip(pages, began, strict=True):
            seen.answers += page.evaluate(
                "since => performance.getEntriesByType('resource').filter(e => e.name.includes('/api/runs/') "
                "&& e.startTime > since).map(e => e.duration)",
                since,
            )
        browser.close()


def percentiles(values: list[float]) -> dict[str, float] | None:
    if len(values) < 2:
        return None
    return {"p50": statistics.median(values), "p95": statistics.quantiles(values, n=20)[-1], "count": len(values)}


def report(figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    def spread(values: dict[str, float] | None) -> str:
        return f"{values['p50']:.0f} / {values['p95']:.0f} ms" if values else ""

    table = Table(title="What watching costs")
    for heading in ("Viewers", "Watching", "Images a second", "Of nobody's", "Live data p50 / p95", "Redraw p50 / p95"):
        table.add_column(heading, justify="left" if heading == "Viewers" else "right")
    for client in (name for name in figures if name != "closing"):
        for number, row in figures[client].items():
            speed, share = f"{row['images_per_second']:.1f}", f"{row['share']:.1%}"
            table.add_row(client, str(number), speed, share, spread(row["answer_ms"]), spread(row["redraw_ms"]))
    Console().print(table)
    closing = figures["closing"]
    kept = "with a checkpoint" if closing["checkpoint"] else "WITHOUT a checkpoint"
    print(f"The server closed in {closing['seconds']:.1f} s, {kept}; the run is {closing['status']}.")


if __name__ == "__main__":
    main()
