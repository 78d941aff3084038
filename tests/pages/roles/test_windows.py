"""Control moves between windows: by a request, and back; each window is recognised after its reload."""

import pytest

from kdcore.errors import NotAllowed
from pages.parts.roles import windows as module
from pages.parts.roles.windows import Windows


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def windows(clock) -> Windows:
    """With an operator's window and a visitor's that has asked."""
    found = Windows(clock)
    found.enter("operator")
    found.ask("visitor", "Ada")
    return found


def ask_id(windows):
    return windows.requests()[0].id


def test_the_first_window_with_the_passcode_presents_and_a_second_only_operates(windows):
    windows.enter("second")
    assert windows.operates("operator")
    assert windows.operates("second")
    assert windows.presents("operator")
    assert not windows.presents("second")
    windows.present("second")
    assert windows.presents("second")


def test_a_presenter_that_left_makes_room_for_the_next_with_the_passcode(windows, monkeypatch):
    monkeypatch.setattr(module, "_is_active", lambda session: session != "operator")
    windows.enter("second")
    assert windows.presents("second")


def test_a_window_that_watches_cannot_present(windows):
    for session in ("visitor", "unknown"):
        with pytest.raises(NotAllowed, match="Only a window with control can present"):
            windows.present(session)


def test_a_request_that_is_granted_moves_control_and_it_can_be_taken_back(windows):
    windows.grant("operator", ask_id(windows))
    assert windows.operates("visitor")
    assert windows.presents("visitor")
    assert not windows.operates("operator")
    assert windows.has_lent("operator")
    windows.take_back("operator")
    assert windows.operates("operator")
    assert windows.presents("operator")
    assert not windows.operates("visitor")


def test_control_that_was_handed_on_is_taken_back_as_well(windows):
    windows.grant("operator", ask_id(windows))
    windows.ask("third", "Bo")
    windows.grant("visitor", ask_id(windows))
    assert windows.operates("third")
    windows.take_back("operator")
    assert [each for each in ("operator", "visitor", "third") if windows.operates(each)] == ["operator"]


def test_a_window_that_returns_control_gives_it_to_the_one_it_came_from(windows):
    windows.grant("operator", ask_id(windows))
    windows.leave("visitor")
    assert windows.operates("operator")
    assert windows.presents("operator")
    assert not windows.operates("visitor")


def test_a_visitor_neither_grants_nor_takes(windows):
    windows.ask("third", "")
    for request in windows.requests():
        with pytest.raises(NotAllowed, match="no control to hand over"):
            windows.grant("visitor", request.id)
    with pytest.raises(NotAllowed, match="Only a window that entered the passcode"):
        windows.take_back("visitor")
    assert not windows.operates("visitor")


def test_a_request_that_was_declined_is_gone(windows):
    declined = ask_id(windows)
    windows.decline(declined)
    assert windows.requests() == []
    with pytest.raises(NotAllowed, match="no longer there"):
        windows.grant("operator", declined)


def test_after_a_reload_each_window_is_what_it_was(windows):
    operator, visitor = windows.secret("operator"), windows.secret("visitor")
    assert windows.restore("operator again", operator)
    assert windows.restore("visitor again", visitor)
    assert windows.presents("operator again")
    windows.grant("operator again", ask_id(windows))
    assert windows.restore("visitor, third", visitor)
    assert windows.operates("visitor, third")
    assert windows.restore("operator, third", operator)
    windows.take_back("operator, third")
    assert windows.operates("operator, third")


def test_a_made_up_secret_is_no_window(windows):
    for secret in ("", "x" * 10_000, windows.secret("visitor") + "x"):
        assert not windows.restore("another", secret)
    assert not windows.operates("another")


def test_each_window_asks_once_and_again_after_a_while(windows, clock):
    with pytest.raises(NotAllowed, match="has asked already"):
        windows.ask("visitor", "Ada")
    windows.decline(ask_id(windows))
    with pytest.raises(NotAllowed, match="asked a moment ago. Ask again in 30 s"):
        windows.ask("visitor", "Ada")
    clock.now += 31
    windows.ask("visitor", "Ada")


def test_few_requests_wait_and_few_are_made_in_a_minute(windows, clock):
    for number in range(1, module.MOST_REQUESTS):
        windows.ask(f"visitor {number}", "")
    with pytest.raises(NotAllowed, match="5 requests wait for an answer"):
        windows.ask("one more", "")
    for number in range(module.MOST_REQUESTS, module.ASKED_A_MINUTE):
        windows.decline(ask_id(windows))
        windows.ask(f"visitor {number}", "")
    windows.decline(ask_id(windows))
    with pytest.raises(NotAllowed, match="Too many requests in this minute"):
        windows.ask("one more", "")
    clock.now += 61
    windows.ask("one more", "")


def test_the_request_of_a_closed_window_is_dropped(windows, clock, monkeypatch):
    monkeypatch.setattr(module, "_is_active", lambda session: session != "visitor")
    assert len(windows.requests()) == 1  # it may be reloading
    clock.now += module.GONE_SECONDS
    assert windows.requests() == []


def test_windows_are_bounded_and_those_with_control_stay(windows, monkeypatch):
    monkeypatch.setattr(module, "MOST_WINDOWS", 10)
    for number in range(50):
        windows.secret(f"visit {number}")
    assert len(windows._windows) == 10
    assert windows.presents("operator")
    assert len(windows._sessions) == 10


@pytest.mark.parametrize(
    "typed, shown",
    [
        ("  Ada\n Lovelace\t", "Ada Lovelace"),
        ("", "A visitor"),
        ("\u202egnp.exe\x00\u200b", "gnp.exe"),
        ("x" * 100_000, "x" * 24),
        ("<b>**Ada**</b>", "<b>**Ada**</b>"),  # text, which the page escapes
    ],
)
def test_a_name_is_one_short_line_of_visible_characters(typed, shown):
    assert module.as_name(typed) == shown


def test_requests_that_are_refused_neither_open_windows_nor_withdraw_those_that_wait(windows, monkeypatch):
    monkeypatch.setattr(module, "MOST_WINDOWS", 12)
    for number in range(50):
        try:
            windows.ask(f"flood {number}", "x")
        except NotAllowed:
            assert windows.of(f"flood {number}") is None
    assert windows.asks("visitor")
    assert windows.requests()[0].name == "Ada"


def test_control_does_not_come_back_to_a_window_that_gave_it_up(windows):
    windows.grant("operator", ask_id(windows))
    windows.enter("operator")
    windows.leave("operator")
    windows.leave("visitor")
    assert not windows.operates("operator")
    assert not windows.operates("visitor")
