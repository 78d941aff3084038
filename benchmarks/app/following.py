"""Training speed and processor time with phones that follow a presenter, who moves to another page every few seconds.

A phone is a session on Streamlit's websocket: it runs each page that the presenter shows, redraws its fragments, requests the live data
once a second, and gets the presenter's state on a connection of its own. Rounds with and without phones take turns.
"""

import http.client
import json
import logging
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.app.browser import connect_to
from benchmarks.app.server import Server

SETTLE_SECONDS = 4.0
POLL_SECONDS = 1.0  # between two requests for live data
STATE = "api/stage/live"
MOVE_SECONDS = 8.0  # between two moves of the presenter
TICKS = os.sysconf("SC_CLK_TCK")


def costs(phones: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Speed and processor time without and with phones; how long a phone takes to be where the presenter is."""
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # of connections that end with the phones
    with tempfile.TemporaryDirectory(prefix="kd-bench-") as folder:
        server = Server(Path(folder))
        try:
            figures = measure(server, phones, seconds, rounds)
        finally:
            server.process.kill()
            server.process.wait()
    report(figures)
    return figures


def measure(server: Server, phones: int, seconds: float, rounds: int) -> dict[str, Any]:
    alone, followed, delays, informed = [], [], [], []
    for turn in range(rounds):
        for with_phones in (False, True) if turn % 2 == 0 else (True, False):
            if not with_phones:
                alone.append(speed(server, seconds))
                continue
            with following(server, phones) as seen:
                time.sleep(SETTLE_SECONDS)
                seen.clear()
                followed.append(speed(server, seconds))
            delays += seen.delays
            informed += seen.arrivals
        print(f"  alone {alone[-1][0]:.0f} images/s, {phones} phones {followed[-1][0]:.0f} images/s", flush=True)
    pairs = list(zip(followed, alone, strict=True))
    pages = [cpu - images * without[1] / without[0] for (images, cpu), without in pairs]  # beside the training
    return {
        "phones": phones,
        "images_per_second": statistics.median(each for each, _ in alone),
        "images_per_second_followed": statistics.median(each for each, _ in followed),
        "share": statistics.median(with_[0] / without[0] for with_, without in pairs),
        "cpu": statistics.median(each for _, each in alone),
        "cpu_followed": statistics.median(each for _, each in followed),
        "cpu_of_phones": statistics.median(pages),
        "delay_s": spread(delays),
        "informed_s": spread(informed),
    }


def speed(server: Server, seconds: float) -> tuple[float, float]:
    """Images a second, and processor seconds of the server a second."""
    before, began = processor_time(server.process.pid), time.monotonic()
    images = server.images_per_second(seconds)
    return images, (processor_time(server.process.pid) - before) / (time.monotonic() - began)


def processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Seen:
    """Seconds from the presenter's move until a phone was informed of it, and until its page was there."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.arrivals: list[float] = []

    def clear(self) -> None:
        self.delays.clear()
        self.arrivals.clear()


@contextmanager
def following(server: Server, number: int) -> Iterator[Seen]:
    seen, over, moved = Seen(), threading.Event(), [time.monotonic()]
    places = [(phone, (server, seen, over, moved, phone * POLL_SECONDS / number)) for phone in range(number)]
    threads = [threading.Thread(target=present, args=(server, over, moved), daemon=True)]
    threads += [threading.Thread(target=follow, args=arguments, daemon=True) for _, arguments in places]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


def present(server: Server, over: threading.Event, moved: list[float]) -> None:
    """The presenter's window: it shows one page after the other, and moves the cursor each second."""
    pages = [("train", f"run={server.run_id}"), ("runs", f"run={server.run_id}"), ("methods", "method=kd")]
    with connect_to(server.port) as live:
        secret = secret_of(live)
        data = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for second in range(10**6):
            page, query = pages[int(second // MOVE_SECONDS) % len(pages)]
            if second % MOVE_SECONDS == 0:
                moved[0] = time.monotonic()
            body = json.dumps({"page": page, "query": query, "cursor": {"epoch": float(second)}})
            data.request("POST", "/api/stage", body, {"X-Window": secret, "Content-Type": "application/json"})
            if (status := data.getresponse()).read() or status.status != 204:
                raise RuntimeError(f"The presenter was refused: {status.status}")
            if over.wait(1):
                return


def secret_of(live: Any) -> str:
    """The secret of this window, from the bar of the page that it opens."""
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ClientState_pb2 import ClientState
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    live.send(BackMsg(rerun_script=ClientState(page_name="methods")).SerializeToString())
    while True:
        message = ForwardMsg.FromString(live.recv(timeout=120))
        bar = message.delta.new_element.bidi_component
        if message.WhichOneof("type") == "delta" and bar.component_name == "stage_bar":
            return str(json.loads(bar.json or bar.mixed.json)["secret"])


def follow(server: Server, seen: Seen, over: threading.Event, moved: list[float], delay: float) -> None:
    """A phone, until it is over."""
    from websockets.exceptions import ConnectionClosed

    over.wait(delay)
    with (
        suppress(ConnectionClosed, OSError, http.client.HTTPException),
        connect_to(server.port) as live,
        connect_to(server.port, STATE) as state,
    ):
        Phone(server, live, state, seen, moved).run(over)


class Phone:
    def __init__(self, server: Server, live: Any, state: Any, seen: Seen, moved: list[float]) -> None:
        self.server, self.live, self.state, self.seen, self.moved = server, live, state, seen, moved
        self.data = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.page, self.query, self.since = "", "", -1
        self.script = ""
        self.arriving = 0.0  # when the presenter went to the page that this phone has requested
        self.fragments: dict[str, tuple[float, float]] = {}  # id -> every so many seconds, next time
        self.busy = False

    def run(self, over: threading.Event) -> None:
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        self.ask()
        poll_at = time.monotonic()
        while not over.is_set():
            with suppress(TimeoutError):
                self.follow(json.loads(self.state.recv(timeout=0)))
            with suppress(TimeoutError):
                self.take(ForwardMsg.FromString(self.live.recv(timeout=0.02)))
                continue
            now = time.monotonic()
            if now >= poll_at:
                poll_at = now + POLL_SECONDS
                self.poll()
            for fragment, (every, due) in self.fragments.items():
                if now >= due and not self.busy:
                    self.fragments[fragment] = (every, now + every)
                    self.ask(fragment_id=fragment, is_auto_rerun=True, page_script_hash=self.script)
        self.data.close()

    def ask(self, **what: Any) -> None:
        from streamlit.proto.BackMsg_pb2 import BackMsg
        from streamlit.proto.ClientState_pb2 import ClientState

        self.busy = True
        state = ClientState(query_string=self.query, page_name=self.page, **what)
        self.live.send(BackMsg(rerun_script=state).SerializeToString())

    def take(self, message: Any) -> None:
        match message.WhichOneof("type"):
            case "new_session":
                self.script = message.new_session.page_script_hash
            case "auto_rerun":
                every = message.auto_rerun.interval
                self.fragments[message.auto_rerun.fragment_id] = (every, time.monotonic() + every)
            case "script_finished":
                self.busy = False
                if self.arriving:
                    self.seen.delays.append(time.monotonic() - self.arriving)
                    self.arriving = 0.0

    def follow(self, state: Any) -> None:
        if "page" in state and (state["page"], state["query"]) != (self.page, self.query):
            self.page, self.query, self.fragments = state["page"], state["query"], {}
            self.arriving = self.moved[0]
            self.seen.arrivals.append(time.monotonic() - self.arriving)
            self.ask(is_history_navigation=True)

    def poll(self) -> None:
        """The live data where a run is on the page."""
        if self.page in ("train", "runs"):
            self.data.request("GET", f"/api/runs/{self.server.run_id}/series?since={self.since}")
            self.since = json.loads(self.data.getresponse().read())["step"]


def spread(values: list[float]) -> dict[str, float] | None:
    if len(values) < 2:
        return None
    return {"p50": statistics.median(values), "p95": statistics.quantiles(values, n=20)[-1], "count": len(values)}


def report(figures: dict[str, Any]) -> None:
    phones, delay, informed = figures["phones"], figures["delay_s"], figures["informed_s"]
    print(
        f"{phones} phones follow: training keeps {figures['share']:.0%} of its speed (median of ratios within a round)."
    )
    print(
        f"Processor seconds a second of the server: {figures['cpu']:.2f} alone, {figures['cpu_followed']:.2f} with them."
    )
    if delay and informed:
        print(
            f"A phone's page is there after {delay['p50']:.2f} s (95th percentile {delay['p95']:.2f} s, {delay['count']} moves)."
        )
        print(f"It is informed of the move after {informed['p50']:.2f} s (95th percentile {informed['p95']:.2f} s).")
