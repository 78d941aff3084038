"""The app in a process of its own, and raw requests to it."""

import contextlib
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kdcore.paths import PROJECT
from tests import warm

PATIENCE_SECONDS = 120  # two busy cores: torch loads while others compute
UPGRADE = (
    "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: streamlit",
)  # fmt: skip
STARTS = {
    "streamlit run": ["-m", "streamlit", "run", "app.py", "--server.headless=true", "--server.port={port}"],
    "python app.py": ["app.py"],
    "uvicorn": ["-m", "uvicorn", "app:app", "--port", "{port}"],
    "everywhere": ["-m", "streamlit", "run", "app.py", "--server.headless=true", "--server.port={port}",
                   "--server.address=0.0.0.0"],
    "uvicorn everywhere": ["-m", "uvicorn", "app:app", "--port", "{port}", "--host", "0.0.0.0"],
}  # fmt: skip
UNHURRIED = {"unhurried everywhere": ["-m", "tests.unhurried", *STARTS["everywhere"][2:]]}


@dataclass(frozen=True)
class Served:
    """A running server. `{port}` in a request stands for the server's port."""

    port: int
    process: warm.Program
    folder: Path = Path()  # of its runs and data

    def send(self, raw: bytes, to: str = "127.0.0.1") -> tuple[int, str]:
        """Status and body of the response to one raw request."""
        with socket.create_connection((to, self.port), timeout=PATIENCE_SECONDS) as line:
            line.sendall(raw)
            return answer(line)

    def get(
        self, *headers: str, path: str = "/_stcore/health", method: str = "GET", to: str = "127.0.0.1"
    ) -> tuple[int, str]:
        lines = [f"{method} {path} HTTP/1.1", *headers, "Content-Length: 0", "Connection: close"]
        return self.send("\r\n".join([*lines, "", ""]).replace("{port}", str(self.port)).encode("latin-1"), to)

    def open(self, *headers: str, to: str = "127.0.0.1") -> tuple[int, str]:
        """A websocket's handshake: 101 where it is accepted."""
        lines = ["GET /_stcore/stream HTTP/1.1", *UPGRADE, *headers]
        return self.send("\r\n".join([*lines, "", ""]).replace("{port}", str(self.port)).encode("latin-1"), to)


def answer(line: socket.socket) -> tuple[int, str]:
    """Status and body of a response; only its headers where nothing follows or a websocket opens."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := line.recv(65536):
            said += chunk
            if said.startswith((b"HTTP/1.1 101", b"HTTP/1.1 204")) and b"\r\n\r\n" in said:
                break
            head, _, body = said.partition(b"\r\n\r\n")
            length = [row for row in head.lower().split(b"\r\n") if row.startswith(b"content-length:")]
            if length and len(body) >= int(length[0].split(b":")[1]):
                break
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 "), said[:200]
    return int(head.split()[1]), body.decode()


@contextlib.contextmanager
def serving(folder: Path, start: str = "streamlit run", **settings: str) -> Iterator[Served]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("STREAMLIT_") and name != "KD_HOSTS"
    } | {"KD_RUNS": str(folder / "runs"), "KD_DATA": str(folder / "data")} | settings  # fmt: skip
    arguments = [word.format(port=port) for word in (STARTS | UNHURRIED)[start]]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = warm.start(arguments, cwd=PROJECT, env=environment, output=output)
    try:
        end = time.monotonic() + PATIENCE_SECONDS
        while not _listens(port):
            if shown := re.search(r"URL: http://127\.0\.0\.1:(\d+)", log.read_text()):
                port = int(shown[1])  # `python app.py` uses the next free port
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < end, log.read_text()[-2000:]
            time.sleep(0.1)
        yield Served(port, process, folder)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., contextlib.AbstractContextManager[Served]]:
    """`with serve("uvicorn", KD_HOSTS="...") as served:`"""
    return lambda *start, **settings: serving(tmp_path_factory.mktemp("served"), *start, **settings)
