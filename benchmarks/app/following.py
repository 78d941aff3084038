"""Training speed and processor time with phones that follow a presenter, who moves to another page every few seconds.

A phone is a visitor's session on Streamlit's websocket: it runs each page that the presenter shows, redraws its fragments, requests
what is new of a run as a page does, and gets the presenter's state on a connection of its own. Rounds with and without phones take turns.
"""

import http.client
import json
import logging
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates

from benchmarks.app.browser import Browser, connect_to
from benchmarks.app.server import PASSCODE, Server

SETTLE_SECONDS = 4.0
POLL_SECONDS = 1.0  # between two requests for live data, as components/replay/poller.js has it
STATE = "api/stage/live"
MOVE_SECONDS = 8.0  # between two moves of the presenter
TICKS = os.sysconf("SC_CLK_TCK")


def costs(phones: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Speed and processor time without and with phones; how long a phone takes to be where the presenter is."""
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # of connections that end with the phones
    with tempfile.TemporaryDirectory(prefix="kd-bench-") as folder:
        server = Server(Path(folder), shared=True)
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
        self.lost: list[str] = []  # why a visit ended before its time

    def clear(self) -> None:
        self.delays.clear()
        self.arrivals.clear()


@contextmanager
def following(server: Server, number: int) -> Iterator[Seen]:
    seen, over, moved = Seen(), threading.Event(), [time.monotonic()]
    delays = [phone * POLL_SECONDS / number for phone in range(number)]
    visits: list[tuple[Callable[..., None], tuple[Any, ...]]] = [
        (present, (server, over, moved)),
        *((follow, (server, seen, over, moved, delay)) for delay in delays),
    ]
    threads = [threading.Thread(target=visit, args=(seen, *each), daemon=True) for each in visits]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()
    if seen.lost:
        raise RuntimeError(f"{len(seen.lost)} visits were lost, so this measured nothing: {seen.lost[0]}")


def visit(seen: Seen, what: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    try:
        what(*arguments)
    except Exception as error:
        seen.lost.append(f"{type(error).__name__}: {error}")


def present(server: Server, over: threading.Event, moved: list[float]) -> None:
    """The presenter's window: it shows one page after the other, and moves the cursor each second."""
    pages = [("train", f"run={server.run_id}"), ("runs", f"run={server.run_id}"), ("methods", "method=kd")]
    with Presenter(server.port) as window:
        window.begin()
        data = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for second in range(10**6):
            page, query = pages[int(second // MOVE_SECONDS) % len(pages)]
            if second % MOVE_SECONDS == 0:
                moved[0] = time.monotonic()
            body = json.dumps({"page": page, "query": query, "cursor": {"epoch": float(second)}})
            data.request("POST", "/api/stage", body, {"X-Window": window.secret, "Content-Type": "application/json"})
            if (status := data.getresponse()).read() or status.status != 204:
                raise RuntimeError(f"The presenter was refused: {status.status}")
            window.take_all()
            if over.wait(1):
                return


class Presenter(Browser):
    """A window that enters the passcode."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.secret = ""
        self._fields: dict[str, str] = {}  # label -> id of the widget

    def begin(self) -> None:
        self.visit("methods")
        typed = WidgetState(id=self._fields["Passcode"], string_value=PASSCODE)
        self._run(WidgetStates(widgets=[typed, WidgetState(id=self._fields["Enter"], trigger_value=True)]))
        if not self.secret:
            raise RuntimeError("The presenter's window did not get its secret: the passcode was refused.")

    def take_all(self) -> None:
        """Read what has arrived: where nobody does, the server ends the connection, and with it what the phones follow."""
        with suppress(TimeoutError):
            while True:
                self._live.recv(timeout=0)

    def _look_at(self, element: Any) -> None:
        super()._look_at(element)
        match element.WhichOneof("type"):
            case "button":
                self._fields[element.button.label] = element.button.id
            case "text_input":
                self._fields[element.text_input.label] = element.text_input.id
            case "bidi_component" if element.bidi_component.component_name == "stage_bar":
                drawn = json.loads(element.bidi_component.json or element.bidi_component.mixed.json)
                self.secret = drawn["secret"] or self.secret


def follow(server: Server, seen: Seen, over: threading.Event, moved: list[float], delay: float) -> None:
    """A phone, until it is over."""
    over.wait(delay)
    with connect_to(server.port) as live, connect_to(server.port, STATE) as state:
        Phone(server, live, state, seen, moved).run(over)


class Phone:
    def __init__(self, server: Server, live: Any, state: Any, seen: Seen, moved: list[float]) -> None:
        self.server, self.live, self.state, self.seen, self.moved = server, live, state, seen, moved
        self.data = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.page, self.query = "", ""
        self.since, self.version = -1, ""  # what it knows of the run
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
            news = self.get(f"/api/runs/{self.server.run_id}/moments?since={self.since}&version={quote(self.version)}")
            if news:
                found = json.loads(news)
                self.since, self.version = (found["places"] or [-1])[-1], found["version"]

    def get(self, address: str) -> bytes:
        """As a browser does: on the connection that it has, or on a new one where the server has closed that meanwhile."""
        for again in (True, False):
            try:
                self.data.request("GET", address)
                return self.data.getresponse().read()
            except (http.client.RemoteDisconnected, ConnectionError):
                self.data.close()
                if not again:
                    raise
        raise AssertionError


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
