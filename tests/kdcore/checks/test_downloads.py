"""Whether a host can be reached is asked of the host itself, or of the proxy before it."""

import socket

import pytest

from kdcore.checks import downloads


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    downloads._reachable.cache_clear()
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_host_that_answers_can_be_reached(port):
    assert downloads.reachable(f"https://127.0.0.1:{port}/weights")


def test_one_that_does_not_cannot(port):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = closed.getsockname()[1]
    assert not downloads.reachable(f"https://127.0.0.1:{gone}/weights")
    assert not downloads.reachable("https://no-such-host.invalid/weights")
    assert not downloads.reachable("https:///weights")
    assert not downloads.reachable("https://127.0.0.1:99999999/weights")


def test_behind_a_proxy_the_proxy_decides(port, monkeypatch):
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    assert downloads.reachable("https://no-such-host.invalid/weights")
    monkeypatch.setenv("no_proxy", "no-such-host.invalid")
    downloads._reachable.cache_clear()
    assert not downloads.reachable("https://no-such-host.invalid/weights")


def test_an_answer_is_kept_for_a_moment(port, monkeypatch):
    assert downloads.reachable(f"https://127.0.0.1:{port}/weights")
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("it was asked again"))
    assert downloads.reachable(f"https://127.0.0.1:{port}/weights")
