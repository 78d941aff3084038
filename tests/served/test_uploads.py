"""Uploads that no widget requested are limited by a quota."""

import asyncio
import contextlib
import re
import select
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.types import Receive, Scope, Send
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from benchmarks.app.browser import Browser
from pages.parts.server import uploads
from tests.served.conftest import PATIENCE_SECONDS, Served, answer

MB = 2**20
QUOTA_MB = 4
HEAD = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="photo.bin"\r\n\r\n'
TAIL = b"\r\n--edge--\r\n"


@pytest.fixture(scope="module")
def served(serve: Callable) -> Iterator[Served]:
    with serve("streamlit run", KD_UPLOAD_MB=str(QUOTA_MB)) as served:
        yield served


@pytest.fixture
def visit(served: Served) -> Iterator[str]:
    with visiting(served) as session:
        yield session


@contextlib.contextmanager
def visiting(served: Served) -> Iterator[str]:
    """A page that is open, and its session."""
    with Browser(served.port) as browser:
        browser.visit("runs")
        yield browser.session


def request(served: Served, session: str, file: str, *headers: str, method: str = "PUT") -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{served.port}/_stcore/health") as page:
        token = SimpleCookie(page.headers["Set-Cookie"])["_streamlit_xsrf"].value
    lines = [
        f"{method} /_stcore/upload_file/{session}/{file} HTTP/1.1", f"Host: localhost:{served.port}",
        "Content-Type: multipart/form-data; boundary=edge", f"X-Xsrftoken: {token}", f"Cookie: _streamlit_xsrf={token}",
    ]  # fmt: skip
    return "\r\n".join([*lines, *headers, "", ""]).encode()


def put(served: Served, session: str, file: str, size: int) -> tuple[int, str]:
    body = HEAD + bytes(size) + TAIL
    return served.send(request(served, session, file, f"Content-Length: {len(body)}") + body)


def put_in_chunks(served: Served, session: str, size: int) -> tuple[int, str, int]:
    """Without a length in advance; also returns how many bytes were taken until it was cut off."""
    sent = 0
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_SECONDS) as line:
        line.sendall(request(served, session, "endless", "Transfer-Encoding: chunked") + chunk(HEAD))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while sent < size:
                line.sendall(chunk(bytes(MB // 4)))
                sent += MB // 4
                line.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    if line.recv(1, socket.MSG_PEEK):
                        break
                line.settimeout(PATIENCE_SECONDS)
            else:
                line.sendall(chunk(TAIL) + chunk(b""))
        line.settimeout(PATIENCE_SECONDS)
        return *answer(line), sent


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def memory_mb(served: Served) -> float:
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


def test_a_visit_that_does_not_exist_holds_nothing(served):
    assert put(served, "nobody", "file", 1000)[0] == 400


def test_what_no_widget_requested_is_held_within_the_quota(served, visit):
    answers = [put(served, visit, f"file-{number}", MB) for number in range(30)]
    assert [status for status, _ in answers] == [204] * 3 + [413] * 27  # with their wrapping three fit into 4 MB
    assert answers[-1][1] == (
        "This visit would hold 4 MB of uploads; its limit is 4 MB (KD_UPLOAD_MB). Remove some or reload the page.\n"
    )


def test_removing_or_replacing_an_upload_frees_its_share_of_the_quota(served, visit):
    assert put(served, visit, "first", 3 * MB)[0] == 204
    assert put(served, visit, "second", 3 * MB)[0] == 413
    assert put(served, visit, "first", 3 * MB)[0] == 204
    assert served.send(request(served, visit, "first", method="DELETE"))[0] == 204
    assert put(served, visit, "second", 3 * MB)[0] == 204


def test_small_files_are_counted(served, visit):
    answers = [put(served, visit, f"file-{number}", 1) for number in range(201)]
    assert [status for status, _ in answers] == [204] * 200 + [413]
    assert answers[-1][1].startswith("This visit would hold 201 uploads; its limit is 200.")


def test_a_body_of_unknown_length_is_cut_off_while_it_is_received(served, visit):
    status, said, sent = put_in_chunks(served, visit, 400 * MB)
    assert status == 413
    assert said.startswith("This visit would hold 4 MB of uploads")
    assert sent < 16 * MB  # what lies in buffers on the way counts as sent
    assert put_in_chunks(served, visit, MB)[0] == 204


def test_simultaneous_uploads_share_the_quota(served, visit):
    lines = [socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_SECONDS) for _ in range(3)]
    for number, line in enumerate(lines):
        line.sendall(request(served, visit, f"slow-{number}", f"Content-Length: {3 * MB}") + HEAD)
    try:
        accepted = list(lines)
        while len(accepted) > 1:
            answered, _, _ = select.select(accepted, [], [], PATIENCE_SECONDS)
            assert answered
            for line in answered:
                assert answer(line)[0] == 413
                accepted.remove(line)
        accepted[0].close()  # given up: its room is free again
        until(lambda: put(served, visit, "other", 3 * MB)[0] == 204)
    finally:
        for line in lines:
            line.close()


@pytest.mark.slow
def test_all_visits_together_have_a_quota_and_leave_nothing_behind(serve):
    soon = {
        "STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL": "1"
    }  # seconds that a closed page's state is kept; by default 30
    with serve("streamlit run", KD_UPLOAD_MB=str(QUOTA_MB), **soon) as served, contextlib.ExitStack() as open_pages:
        visits = [open_pages.enter_context(visiting(served)) for _ in range(8)]
        before = memory_mb(served)
        answers = [put(served, session, "file", 3 * MB) for session in visits]
        assert [status for status, _ in answers] == [204] * 6 + [413] * 2
        assert answers[-1][1].startswith(
            "All visits together would hold 21 MB of uploads; their limit is 20 MB, 5 times KD_UPLOAD_MB."
        )
        assert memory_mb(served) < before + 100
        open_pages.close()
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            with visiting(served) as session:
                if put(served, session, "file", 3 * MB)[0] == 204:
                    return
            assert time.monotonic() < end
            time.sleep(0.1)


def test_an_upload_that_ends_after_its_visit_is_not_kept(monkeypatch):
    files = MemoryUploadedFileManager("/_stcore/upload_file")
    gone = SimpleNamespace(uploaded_file_mgr=files, is_active_session=lambda session: False)
    monkeypatch.setattr(uploads, "runtime", SimpleNamespace(exists=lambda: True, get_instance=lambda: gone))

    async def finish_late(scope: Scope, receive: Receive, send: Send) -> None:
        files.add_file("visit", UploadedFileRec("file", "photo.png", "image/png", bytes(10)))

    scope = {"type": "http", "method": "PUT", "path": "/_stcore/upload_file/visit/file", "headers": []}
    asyncio.run(uploads.UploadQuota(finish_late)(scope, None, None))
    assert not files.file_storage


def test_the_page_is_told_why_the_last_upload_was_refused(monkeypatch):
    """The browser shows a status code alone."""
    monkeypatch.setattr(uploads, "_refusals", {})
    monkeypatch.setenv("KD_UPLOAD_MB", "1")

    async def send(_: object) -> None: ...

    async def accept(*_: object) -> None: ...

    def put_of(size: int) -> None:
        headers = [(b"content-length", str(size).encode())]
        scope = {"type": "http", "method": "PUT", "path": "/_stcore/upload_file/visit/file", "headers": headers}
        asyncio.run(uploads.UploadQuota(accept)(scope, None, send))

    put_of(2 * MB)
    assert uploads.refusal("visit").startswith("This visit would hold 2 MB of uploads; its limit is 1 MB")
    assert uploads.refusal("another") == ""
    put_of(10)
    assert uploads.refusal("visit") == ""


def test_a_large_file_is_the_operators(monkeypatch):
    """A visitor sends photos; weights and folders of images are larger."""
    monkeypatch.setattr(uploads, "_refusals", {})
    taken = []

    async def accept(*_: object) -> None:
        taken.append(True)

    async def send(_: object) -> None: ...

    scope = {"type": "http", "method": "PUT", "path": "/_stcore/upload_file/visit/file",
             "headers": [(b"content-length", str(90 * MB).encode())]}  # fmt: skip
    asyncio.run(uploads.UploadQuota(accept)(scope, None, send))
    assert uploads.refusal("visit") == "The file has 90 MB; a file has at most 20 MB. Make the photo smaller."
    assert not taken
    monkeypatch.setattr(uploads.role, "known_to_operate", lambda session: session == "visit")
    asyncio.run(uploads.UploadQuota(accept)(scope, None, send))
    assert taken
    assert uploads.refusal("visit") == ""
