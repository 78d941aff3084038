"""What the presenter shows: only that window writes it, and what it writes leads to pages of the app."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pages.parts.server import presenting, routes
from pages.parts.stage import state
from pages.parts.stage.state import stage

VIEW = {"page": "train", "query": "?run=one&present=1", "cursor": {"epoch": 2.5}, "caption": " The\nsecond epoch "}


@pytest.fixture
def client(runner, windows) -> TestClient:
    app = Starlette(routes=list(routes.ROUTES), middleware=list(routes.MIDDLEWARE))
    return TestClient(app, base_url="http://localhost:8501")


def send(client, secret, message=VIEW, **headers):
    return client.post("/api/stage", json=message, headers={"X-Window": secret} | headers)


def test_others_get_what_the_presenters_window_sends(client, windows, runner):
    runner.busy = ("one",)
    assert client.get("/api/stage").json()["presenting"]
    assert send(client, windows.secret("operator")).status_code == 204
    shown = client.get("/api/stage").json()
    assert (shown["page"], shown["query"], shown["cursor"]) == ("train", "run=one", {"epoch": 2.5})
    assert (shown["caption"], shown["live"]) == ("The second epoch", "one")
    assert windows.secret("operator") not in str(shown)


@pytest.mark.parametrize("whose", ["visitor", "nobody", "", "x" * 5000])
def test_no_other_window_writes_it(client, windows, whose):
    secret = windows.secret("visitor") if whose == "visitor" else whose
    refused = send(client, secret)
    assert refused.status_code == 403
    assert refused.json() == {"error": "Only the window of the presenter can do this."}
    assert client.post("/api/stage", json=VIEW).status_code == 403
    assert "page" not in client.get("/api/stage").json()


def test_an_operators_window_that_does_not_present_waits_until_it_does(client, windows):
    windows.enter("second")
    assert send(client, windows.secret("second")).json() == {"error": "Another window presents."}
    windows.present("second")
    assert send(client, windows.secret("second")).status_code == 204
    assert send(client, windows.secret("operator")).status_code == 403


def test_after_a_hand_over_the_other_window_writes_it(client, windows):
    windows.ask("visitor", "Ada")
    windows.grant("operator", windows.requests()[0].id)
    assert send(client, windows.secret("operator")).status_code == 403
    assert send(client, windows.secret("visitor")).status_code == 204


def test_a_page_of_another_address_writes_nothing(client, windows):
    refused = send(client, windows.secret("operator"), Origin="http://evil.example")
    assert refused.status_code == 403
    assert "may not use this app" in refused.text


@pytest.mark.parametrize(
    "message, why",
    [
        ({"page": "https://evil.example"}, "is no page of this app"),
        ({"page": "//evil.example"}, "is no page of this app"),
        ({"page": "train", "query": "a b=1"}, "is no parameter"),
        ({"page": "train", "cursor": {"epoch": "x"}}, "The cursor's epoch is a number."),
        ({"page": "train", "cursor": {"epoch": True}}, "The cursor's epoch is a number."),
        ({"page": "train", "cursor": {"epoch": 10**400}}, "The cursor's epoch is a number."),
        ({"page": "train", "cursor": [1]}, "A cursor is an object"),
        ({"page": "train", "caption": ["x"]}, "id and caption are text"),
        ([1, 2], "A view is an object"),
        ("train", "A view is an object"),
        ({"page": "train", "notes": "x" * 9000}, "A view has at most 8,192 bytes."),
    ],
)
def test_what_is_no_view_is_refused_in_words(client, windows, message, why):
    refused = send(client, windows.secret("operator"), message)
    assert refused.status_code == 400
    assert why in refused.json()["error"]
    assert "page" not in client.get("/api/stage").json()


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[" * 8000, b'{"page": "train", "cursor": {"epoch": NaN}}'])
def test_what_is_no_json_is_refused(client, windows, raw):
    refused = client.post("/api/stage", content=raw, headers={"X-Window": windows.secret("operator")})
    assert refused.status_code == 400
    assert "page" not in client.get("/api/stage").json()


class Follower:
    """The browser's end of the connection on which the state arrives."""

    def __init__(self, origin: str = "http://localhost:8501") -> None:
        headers = [(b"host", b"localhost:8501"), (b"origin", origin.encode())]
        scope = {"type": "websocket", "path": "/api/stage/live", "scheme": "ws", "headers": headers,
                 "server": ("127.0.0.1", 8501), "query_string": b"", "subprotocols": []}  # fmt: skip
        self.sent, self.received = asyncio.Queue[Any](), asyncio.Queue[Any]()
        app = Starlette(routes=list(routes.ROUTES), middleware=list(routes.MIDDLEWARE))
        self.send("websocket.connect")
        self.connection = asyncio.ensure_future(app(scope, self.sent.get, self.received.put))

    def send(self, kind: str, **more: object) -> None:
        self.sent.put_nowait({"type": kind, **more})

    async def state(self) -> Any:
        while (message := await self.received.get())["type"] == "websocket.accept":
            pass
        return json.loads(message["text"])


def following(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(limited())
    assert stage.followers == 0


def test_a_follower_gets_each_change_at_once_and_nothing_twice(windows, runner, monkeypatch):
    monkeypatch.setattr(presenting, "LOOK_SECONDS", 1000)  # nothing arrives because it was looked for
    window = windows.by_secret(windows.secret("operator"))

    async def scenario():
        follower = Follower()
        assert "page" not in await follower.state()
        for page in ("train", "train", "runs"):
            await asyncio.to_thread(stage.show, window, {"page": page})
            await asyncio.sleep(0)
        assert [(await follower.state())["page"], (await follower.state())["page"]] == ["train", "runs"]
        follower.send("websocket.disconnect", code=1000)
        await follower.connection
        assert follower.received.empty()

    following(scenario)


def test_followers_go_to_another_page_one_after_the_other_and_move_a_cursor_at_once(windows, monkeypatch):
    window, waits = windows.by_secret(windows.secret("operator")), []
    with stage.watched(waits.append), stage.watched(waits.append), stage.watched(waits.append):
        stage.show(window, {"page": "train"})
        stage.show(window, {"page": "train", "cursor": {"epoch": 1}})
    assert waits == [0, state.APART_SECONDS, 2 * state.APART_SECONDS, 0, 0, 0]


def test_a_look_in_between_does_not_bring_a_move_before_its_turn(windows, runner, monkeypatch):
    monkeypatch.setattr(presenting, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(state, "APART_SECONDS", 1000)
    window = windows.by_secret(windows.secret("operator"))

    async def scenario():
        first, second = Follower(), Follower()
        for each in (first, second):
            assert "page" not in await each.state()
        stage.show(window, {"page": "train"})
        assert (await first.state())["page"] == "train"
        for run in ("one", "two", "three"):
            runner.busy = (run,)
            assert (await first.state())["live"] == run
        assert second.received.empty()
        for each in (first, second):
            each.send("websocket.disconnect", code=1000)
            await each.connection

    following(scenario)


def test_a_run_that_starts_and_control_that_moves_arrive_as_well(windows, runner, monkeypatch):
    monkeypatch.setattr(presenting, "LOOK_SECONDS", 0.001)

    async def scenario():
        follower = Follower()
        before = await follower.state()
        runner.busy = ("one",)
        assert (await follower.state())["live"] == "one"
        windows.leave("operator")
        after = await follower.state()
        assert after["control"] > before["control"]
        assert not after["presenting"]
        follower.send("websocket.disconnect", code=1000)
        await follower.connection

    following(scenario)


def test_a_follower_that_sends_something_is_closed(windows, runner):
    async def scenario():
        follower = Follower()
        await follower.state()
        follower.send("websocket.receive", bytes=b"\xff\xff" * 1000)
        await follower.connection
        assert (await follower.received.get())["type"] == "websocket.close"

    following(scenario)


@pytest.mark.parametrize("origin, most", [("http://evil.example", 1000), ("http://localhost:8501", 0)])
def test_a_page_of_another_address_and_one_too_many_follow_nothing(windows, runner, monkeypatch, origin, most):
    monkeypatch.setattr(presenting, "MOST_FOLLOWERS", most)

    async def scenario():
        follower = Follower(origin)
        await follower.connection
        assert [(await follower.received.get())["type"], follower.received.empty()] == ["websocket.close", True]

    following(scenario)
