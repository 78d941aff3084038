"""The bar around pages: what a browser sends is checked by role, and each role sees its own controls."""

import pytest
import segno

from pages.parts import engine
from pages.parts.roles import exposure, role
from pages.parts.stage import bar, join

IS_OPERATOR, IS_SHARED = role.is_operator, role.is_shared


@pytest.fixture
def visit(windows, monkeypatch, tmp_path):
    """Make this thread work for a window's session, with its real role."""
    monkeypatch.setattr(role, "is_operator", IS_OPERATOR)
    monkeypatch.setattr(role, "is_shared", IS_SHARED)
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(bar.st, "session_state", {})
    monkeypatch.setattr(bar.st, "toast", lambda *_, **__: None)
    return lambda session: monkeypatch.setattr(role, "visit", lambda: session)


def test_what_a_visitor_sends_by_hand_changes_nothing(visit, windows):
    windows.ask("third", "Bo")
    request = windows.requests()[0].id
    visit("visitor")
    before = windows.version
    for act in (
        {"what": "grant", "id": request}, {"what": "decline", "id": request}, {"what": "back"}, {"what": "present"},
        {"what": "add", "address": "/train"}, {"what": "storyboard"}, {"what": "audience"}, {"what": "window", "secret": "x"},
        {"what": "window", "secret": 7}, {"what": "grant"}, {"what": "nothing"}, {}, [], None, "grant", 7,
    ):  # fmt: skip
        bar._act(act)
    assert windows.version == before
    assert bar.st.session_state == {}
    assert [each.id for each in windows.requests()] == [request]
    assert bar.own_role() == "visitor"


def test_control_goes_to_the_window_that_asked_and_back(visit, windows):
    visit("visitor")
    engine.ask_for_control(" Ada\n")
    visit("operator")
    assert bar.own_role() == "presenter"
    (request,) = engine.control_requests()
    assert request.name == "Ada"
    bar._act({"what": "grant", "id": request.id})
    assert bar.own_role() == "lent"
    visit("visitor")
    assert bar.own_role() == "presenter"
    visit("operator")
    bar._act({"what": "back"})
    assert bar.own_role() == "presenter"
    visit("visitor")
    assert bar.own_role() == "visitor"


def test_a_reloaded_window_shows_its_secret(visit, windows):
    secret = windows.secret("operator")
    visit("operator, reloaded")
    assert bar._secret(operates=False) == ""
    bar._act({"what": "window", "secret": secret})
    assert bar.own_role() == "presenter"
    assert bar._secret(operates=True) == secret


def test_a_second_window_with_the_passcode_presents_when_it_chooses_to(visit, windows):
    windows.enter("second")
    visit("second")
    assert bar.own_role() == "operator"
    bar._act({"what": "present"})
    assert bar.own_role() == "presenter"


def test_a_visitor_may_ask_for_control_and_has_no_storyboard(open_page, visiting):
    at = open_page("methods.py")
    assert "Ask for control" in [button.label for button in at.button]
    assert "Your name" in [field.label for field in at.text_input]


def test_alone_on_this_machine_nothing_is_in_the_way(open_page):
    at = open_page("methods.py")
    assert not {"Ask for control", "Only watch", "Enter"} & {button.label for button in at.button}


def test_speaker_notes_are_the_operators(open_page, request):
    assert not open_page("start.py", notes="1").title  # the page itself is not drawn
    request.getfixturevalue("visiting")
    at = open_page("start.py", notes="1")
    assert [info.value for info in at.info] == [
        "Speaker notes are the operator's. Enter the passcode under “Watching”."
    ]


@pytest.mark.parametrize(
    "url, address",
    [
        ("http://192.168.1.20:8501/train", "http://192.168.1.20:8501"),
        ("https://kd.example.org/", "https://kd.example.org"),
        ("http://localhost:8501/", "http://10.1.2.3:8501"),
        ("http://127.0.0.1:8600/", "http://10.1.2.3:8600"),
    ],
)
def test_others_join_at_the_address_that_the_server_prints(monkeypatch, url, address):
    monkeypatch.delenv("KD_HOSTS", raising=False)
    monkeypatch.setattr(exposure, "is_open", lambda: True)
    monkeypatch.setattr(join.net_util, "get_internal_ip", lambda: "10.1.2.3")
    monkeypatch.setattr(join.st, "context", type("Context", (), {"url": url}))
    assert join.address() == address


def test_a_server_that_nobody_else_reaches_has_no_address_for_others(monkeypatch):
    monkeypatch.setattr(exposure, "is_open", lambda: False)
    assert join.address() == ""


def test_the_code_is_a_picture_drawn_here():
    picture = join.qr_code("http://192.168.1.20:8501/?follow=1")
    assert picture.startswith("<svg ")
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
    side = segno.make("http://192.168.1.20:8501/?follow=1", micro=False, error="m").symbol_size(8, 4)[0]
    assert f'width="{side}"' in picture
