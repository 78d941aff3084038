"""Training speed with and without viewers of the live page, and how fast updates reach them."""

import http.client
import json
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.app.server import CHROMIUM, Server

SETTLE_SECONDS = 4.0  # for viewers to arrive, before anything is measured
POLL_SECONDS = 1.0


def costs(clients: list[str], watchers: list[int], seconds: float, rounds: int) -> dict[str, Any]:
    """Training speed for each number of viewers, their response times, and how fast the server closes with viewers."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="kd-bench-") as folder:
        server = Server(Path(folder))
        try:
            for client in clients:
                figures[client] = measure(server, client, watchers, seconds, rounds)
            with viewers(server, "light", max(watchers)):
                time.sleep(SETTLE_SECONDS)
                figures["closing"] = server.close()
        finally:
            server.process.kill()
            server.process.wait()
    report(figures)
    return figures


def measure(server: Server, client: str, watchers: list[int], seconds: float, rounds: int) -> dict[int, dict[str, Any]]:
    """For each number of viewers: training speed, and its ratio to the speed without viewers in the same round."""
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
    """Response times in milliseconds: of the live data route, and of redrawn page parts."""

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

    from benchmarks.app.browser import connect_to

    def ask(**what: Any) -> None:
        state = ClientState(query_string=f"run={server.run_id}", page_name="train", **what)
        live.send(BackMsg(rerun_script=state).SerializeToString())

    over.wait(delay)
    fragments: dict[str, tuple[float, float]] = {}  # id -> every so many seconds, next time
    requested: float | None = None
    script = ""
    since, poll_at = -1, time.monotonic()
    with (
        suppress(ConnectionClosed, OSError, http.client.HTTPException),
        connect_to(server.port) as live,
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
                    case "script_finished" if requested:
                        seen.redraws.append(1000 * (time.perf_counter() - requested))
                        requested = None
                continue
            now = time.monotonic()
            if now >= poll_at:
                poll_at = now + POLL_SECONDS
                began = time.perf_counter()
                data.request("GET", f"/api/runs/{server.run_id}/series?since={since}")
                since = json.loads(data.getresponse().read())["step"]
                seen.answers.append(1000 * (time.perf_counter() - began))
            for fragment, (every, due) in fragments.items():
                if now >= due and requested is None:
                    fragments[fragment] = (every, now + every)
                    requested = time.perf_counter()
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

    table = Table(title="Training speed with viewers")
    for heading in (
        "Viewers",
        "Watching",
        "Images a second",
        "Share of no viewers",
        "Live data p50 / p95",
        "Redraw p50 / p95",
    ):
        table.add_column(heading, justify="left" if heading == "Viewers" else "right")
    for client in (name for name in figures if name != "closing"):
        for number, row in figures[client].items():
            speed, share = f"{row['images_per_second']:.1f}", f"{row['share']:.1%}"
            table.add_row(client, str(number), speed, share, spread(row["answer_ms"]), spread(row["redraw_ms"]))
    Console().print(table)
    closing = figures["closing"]
    kept = "with a checkpoint" if closing["checkpoint"] else "WITHOUT a checkpoint"
    print(f"The server closed in {closing['seconds']:.1f} s, {kept}; the run is {closing['status']}.")
