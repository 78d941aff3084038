"""What the presenter shows: only that window writes it, and what it writes leads to pages of the app."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pages.parts.server import routes

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


def test_a_version_that_is_known_already_costs_no_answer(client, windows):
    known = client.get("/api/stage").json()["version"]
    assert client.get(f"/api/stage?known={known}").status_code == 204
    send(client, windows.secret("operator"))
    changed = client.get(f"/api/stage?known={known}")
    assert changed.status_code == 200
    send(client, windows.secret("operator"))  # the same view again
    assert client.get(f"/api/stage?known={changed.json()['version']}").status_code == 204


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
