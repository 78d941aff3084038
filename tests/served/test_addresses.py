"""Requests and websockets to other addresses than the server's, or from pages of other addresses."""

import socket
from collections.abc import Callable, Iterator

import pytest

from tests.served.conftest import STARTS, Served

GOOD = "Host: localhost:{port}"
ALIKE = ("localhost:{port}", "127.0.0.1:{port}", "[::1]:{port}", "LOCALHOST:{port}", "localhost.:{port}")
FOREIGN = (
    "evil.example:{port}", "evil.example", "localhost.evil.example:{port}", "127.0.0.1.evil.example:{port}",
    "localhost:9999", "localhost", "localhost@evil.example:{port}", "evil.example@localhost:{port}", "0.0.0.0:{port}",
    "192.0.2.200:{port}", "[fd00::99]:{port}", "[::1:{port}", "localhost..:{port}", ".:{port}", "localhost:{port}/x",
    "localhost:{port}#", "localhost:+{port}", "127.1:{port}", "2130706433:{port}", "localhost, evil.example:{port}",
    "<script>alert(1)</script>", "localh\xf6st:{port}",
)  # fmt: skip
ORIGINS = (
    "http://evil.example:{port}", "http://localhost:9999", "http://localhost", "http://localhost.evil.example:{port}",
    "http://localhost:{port}@evil.example", "http://evil.example@localhost:{port}", "null", "", "file://",
    "chrome-extension://localhost:{port}", "localhost:{port}", "http://localhost:{port}/", "http://127.0.0.1:{port}",
    "http://localhost:{port} http://evil.example",
)  # fmt: skip


@pytest.fixture(scope="module")
def served(serve: Callable) -> Iterator[Served]:
    with serve() as served:
        yield served


@pytest.mark.parametrize("host", ALIKE)
def test_its_own_addresses_are_answered(served, host):
    assert served.get(f"Host: {host}") == (200, "ok")
    assert served.open(f"Host: {host}", f"Origin: http://{host}")[0] == 101


@pytest.mark.parametrize("path", ["/_stcore/health", "/", "/train", "/api/runs/nope/state", "/static/js/none.js"])
def test_a_foreign_name_is_refused_everywhere_with_the_addresses_that_work(served, path):
    status, said = served.get("Host: evil.example:{port}", path=path)
    assert status == 403
    assert said == (
        f"This app does not answer at `evil.example:{served.port}`. Open http://localhost:{served.port}. To serve other "
        "machines of this network, start it with `make run HOST=0.0.0.0`. To allow another name, such as a proxy's, start "
        "it with `KD_HOSTS=kd.example.org make run`.\n"
    )


@pytest.mark.parametrize("host", FOREIGN)
def test_a_host_that_is_not_the_server_is_refused(served, host):
    status, said = served.get(f"Host: {host}")
    assert status in (400, 403)
    assert "<" not in said
    assert served.open(f"Host: {host}", f"Origin: http://{host}")[0] in (400, 403)
    assert served.open(f"Host: {host}", "Origin: http://localhost:{port}")[0] in (400, 403)


@pytest.mark.parametrize(
    "hosts", [(), (GOOD, "Host: evil.example"), ("Host: evil.example", GOOD), (GOOD, GOOD), ("Host:",)]
)
def test_one_host_is_needed(served, hosts):
    assert served.get(*hosts)[0] == 400
    assert served.open(*hosts, "Origin: http://localhost:{port}")[0] in (400, 403)


def test_old_requests_without_a_host_are_refused(served):
    status, said = served.send(b"GET /_stcore/health HTTP/1.0\r\n\r\n")
    assert status == 400
    assert said.startswith("A request needs one Host header and at most one Origin. Open http://localhost:")


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_page_from_elsewhere_opens_no_websocket_and_changes_nothing(served, origin):
    status, said = served.open(GOOD, f"Origin: {origin}")
    assert status == 403
    assert "<" not in said
    for method in ("GET", "PUT", "POST", "DELETE", "OPTIONS"):
        status, said = served.get(GOOD, f"Origin: {origin}", method=method, path="/_stcore/upload_file/visit/file")
        assert status == 403
        assert "may not use this app. Open http://localhost:" in said


def test_a_websocket_needs_an_origin(served):
    status, said = served.open(GOOD)
    assert status == 403
    assert said.startswith("A websocket needs an Origin header, which every browser sends.")
    good, evil = "Origin: http://localhost:{port}", "Origin: http://evil.example"
    assert served.open(GOOD, good, evil)[0] == 400
    assert served.open(GOOD, evil, good)[0] == 400
    assert served.open(GOOD, "ORIGIN: HTTP://LOCALHOST:{port}")[0] == 101


@pytest.mark.slow
@pytest.mark.parametrize("start", [start for start in STARTS if start != "streamlit run"])
def test_its_addresses_follow_from_how_it_was_started(serve, start):
    own, hostname = _own_address(), socket.gethostname()
    with serve(start, KD_HOSTS="kd.example.org, tunnel.example:8443, https://space.example/, not a name") as served:
        for host in (*ALIKE, "kd.example.org", "kd.example.org:443", "kd.example.org:{port}", "tunnel.example:8443"):
            assert served.get(f"Host: {host}") == (200, "ok"), host
        assert served.get("Host: space.example", "Origin: https://space.example") == (200, "ok")
        assert served.open("Host: tunnel.example:8443", "Origin: https://tunnel.example:8443")[0] == 101
        for host in (
            "kd.example.org:9999",
            "tunnel.example",
            "evil.example:{port}",
            "192.0.2.200:{port}",
            "localhost:9999",
        ):
            assert served.get(f"Host: {host}")[0] == 403, host
        assert served.get("Host: kd.example.org", "Origin: http://kd.example.org:9999")[0] == 403
        if "everywhere" in start and own:
            for host in (own + ":{port}", hostname + ":{port}", f"{hostname.upper()}.local:{{port}}"):
                assert served.get(f"Host: {host}", to=own) == (200, "ok"), host
                assert served.open(f"Host: {host}", f"Origin: http://{host}", to=own)[0] == 101, host
            assert f"http://{own}:{served.port}" in served.get("Host: evil.example", to=own)[1]
            assert served.get("Host: evil.example:{port}", to=own)[0] == 403
        else:
            assert served.get(f"Host: {hostname}:{{port}}")[0] == 403


def _own_address() -> str:
    """This machine's address on its network; empty where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return ""
