"""The real server and a real browser: what a visitor sees, clicks and waits for."""

import contextlib
import os
import re
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.hostile import Visitor
from kdcore.paths import PROJECT
from kdcore.recipe import yaml_text
from kdcore.store import Store
from tests import chromium, warm

PATIENCE_SECONDS = 120  # two busy cores: torch loads, images are drawn, a first step is taken
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
STUCK = re.compile(
    "Bad delta path index|Cannot set a node at a delta path"
)  # after it a page loads itself again: frame.js
# A spinner that turns would be drawn fifty times a second, a third of what a browser with a run computes.
STILL = """const still = new CSSStyleSheet();
still.replaceSync("*, *::before, *::after { animation-duration: 1ms !important; animation-iteration-count: 1 !important; }");
document.adoptedStyleSheets.push(still);"""

LONG = """
name: long
data: {name: cues, image_size: 32, train_images: 400, test_images: 50, batch_size: 32}
teacher: null
student: {model: three_stage_cnn_16}
twin: false
terms: [{method: ce}]
epochs: 2000
probes: {images: 0}
"""  # an epoch, and so the time between two checkpoints, takes about a second


@dataclass
class Server:
    """The app as `make run` starts it, on a free port and with folders of its own; its training leaves others time."""

    url: str
    store: Store
    process: warm.Program
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it; how fast that is, `benchmarks.app` measures."""
        self.process.send_signal(how)
        try:
            self.process.wait(timeout=PATIENCE_SECONDS)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


@contextlib.contextmanager
def serving(folder: Path, data: Path) -> Iterator[Server]:
    """A server with runs of its own in `folder`; `data` may be shared, so that images are drawn once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "KD_RUNS": str(folder / "runs"), "KD_DATA": str(data), "KD_THREADS": "1", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    options = {"server.headless": "true", "server.port": port, "client.showErrorDetails": "full"}
    flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    arguments = ["-m", "tests.unhurried", "run", "app.py", *flags]
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    with log.open("wb") as output:
        process = warm.start(arguments, cwd=PROJECT, env=environment, output=output)
    server = Server(f"http://127.0.0.1:{port}", Store(folder / "runs"), process, log)
    try:
        until(lambda: _answers(server), "the server answers", seconds=PATIENCE_SECONDS)
        yield server
    finally:
        if process.poll() is None:
            server.stop()


def _answers(server: Server) -> bool:
    assert server.process.poll() is None, f"The server ended: {server.log.read_text()[-2000:]}"
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{server.url}/_stcore/health", timeout=2) as answer:
        return bool(answer.status == 200)
    return False


# The form with the long run's settings: that of another recipe would examine a teacher first.
FORM = urlencode(
    {
        "preset": "quick",
        "set": [f"{key}={yaml_text.in_a_line(value)}" for key, value in yaml_text.read(LONG, source="it").items()],
    },
    doseq=True,
)


def hand_in(visitor: Visitor, text: str) -> None:
    """Hand a recipe in as text on Train."""
    visitor.visit("train", FORM)
    typed = WidgetState(id=visitor.inputs["Recipe"], string_value=text)
    visitor.send(typed, WidgetState(id=visitor.buttons["Apply"], trigger_value=True))


def long_run(server: Server) -> str:
    """Start the server's first run, a long one, by a browser's messages; returns its id once it trains."""
    with Visitor(server.port) as visitor:
        visitor.visit("train", FORM)
        visitor.press(visitor.buttons["Start training"])
    until(lambda: server.store.ids(), "the run is there")
    (run_id,) = server.store.ids()
    until(lambda: server.store.state(run_id).step > 3, "the run trains")
    return run_id


def until(true: Callable[[], object], what: str, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for something that no locator can wait for. It is looked at less often the longer it takes."""
    began = time.monotonic()
    while not true():
        waited = time.monotonic() - began
        assert waited < seconds, f"Waited {seconds:g} s in vain until {what}."
        time.sleep(min(max(0.05, waited / 10), 0.5))


_open = contextlib.ExitStack()
_browsers: list[Browser] = []
_servers: list[Server] = []


@pytest.fixture
def browser() -> Browser:
    """One for all tests of this folder that follow one another, with a fake camera."""
    if not _browsers or not _browsers[-1].is_connected():
        _browsers.append(_open.enter_context(chromium.launched(*CAMERA)))
    return _browsers[-1]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Close it before other tests: while it is open its event loop runs, and they need that place. The shared server ends too:
    whatever it computes, it would compute until all other tests are done."""
    if nextitem is None or nextitem.path.parent != item.path.parent:
        _browsers.clear()
        _servers.clear()
        _open.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens an address in a browser of its own. In the end no page may have shown or logged an error, have broken the
    Content-Security-Policy, or have called another address."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    pages: list[Page] = []
    errors: list[str] = []

    def open_page(address: str, width: int = 1280) -> Page:
        """Below 500 pixels it is a telephone, with a screen to touch."""
        telephone = width < 500
        context = browser.new_context(
            viewport={"width": width, "height": 900}, has_touch=telephone, is_mobile=telephone, reduced_motion="reduce"
        )
        context.add_init_script(STILL)
        page = context.new_page()
        page.on("pageerror", lambda error: None if STUCK.search(str(error)) else errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None)
        page.on("request", lambda request: errors.append(request.url) if is_foreign(request.url, address) else None)
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        page.goto(address)
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        assert page.get_by_test_id("stException").count() == 0, page.get_by_test_id("stException").first.inner_text()
        page.context.close()
    assert errors == []


def is_foreign(url: str, address: str) -> bool:
    """Whether a request goes to another host or port than the page's own."""
    called, own = urlsplit(url), urlsplit(address)
    return called.scheme not in ("data", "blob") and called.netloc != own.netloc


@pytest.fixture
def server(tmp_path: Path, drawn_data: Path) -> Iterator[Server]:
    with serving(tmp_path / "server", drawn_data) as server:
        yield server


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory, drawn_data: Path) -> Server:
    """For tests that need no server of their own: starting one and loading torch in it takes seconds."""
    if not _servers:
        _servers.append(_open.enter_context(serving(tmp_path_factory.mktemp("shared"), drawn_data)))
    return _servers[-1]
