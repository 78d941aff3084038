"""Who is the operator: a window of this machine while nobody else reaches the app, else whoever enters the passcode."""

import socket
from types import SimpleNamespace

import pytest

from kdcore.errors import Busy, NotAllowed
from pages.parts.roles import exposure, passcode, quota, role
from pages.parts.roles.windows import Windows

# `role.is_operator` itself, which the fixtures of all pages replace
IS_OPERATOR, IS_SHARED = role.is_operator, role.is_shared


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _real(monkeypatch):
    monkeypatch.setattr(role, "is_operator", IS_OPERATOR)
    monkeypatch.setattr(role, "is_shared", IS_SHARED)
    monkeypatch.setattr(passcode, "value", lambda: "correct-horse")
    monkeypatch.setattr(role, "windows", Windows())
    monkeypatch.setattr(role, "_local", {})
    monkeypatch.setattr(role, "_tries", passcode.Tries())


@pytest.fixture
def connect(monkeypatch):
    """Make this thread work for a visit: its address and headers, and whether others can reach the app."""

    def connected(address, *, headers=(), open_to_others=False, visit="one"):
        client = SimpleNamespace(client_context=SimpleNamespace(remote_ip=address))
        monkeypatch.setattr(role, "visit", lambda: visit)
        monkeypatch.setattr(role.runtime, "exists", lambda: True)
        monkeypatch.setattr(
            role.runtime,
            "get_instance",
            lambda: SimpleNamespace(get_client=lambda session: client if address else None),
        )
        monkeypatch.setattr(role.st, "context", SimpleNamespace(headers=dict.fromkeys(headers, "x")))
        monkeypatch.setattr(exposure, "is_open", lambda: open_to_others)

    return connected


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.0.0.9"])
def test_a_window_of_this_machine_is_the_operators_while_nobody_else_reaches_the_app(connect, address):
    connect(address)
    assert role.is_operator()
    assert not role.is_shared()


@pytest.mark.parametrize(
    "address, more",
    [
        ("127.0.0.1", {"open_to_others": True}),
        ("192.168.1.20", {}),
        ("192.168.1.20", {"open_to_others": True}),
        ("testclient", {}),
        (None, {}),
        *(("127.0.0.1", {"headers": [name]}) for name in role.PROXY),
    ],
)
def test_every_other_visit_is_a_visitors(connect, address, more):
    connect(address, **more)
    assert not role.is_operator()
    assert role.is_shared()


def test_outside_of_pages_nobody_is_the_operator(connect):
    connect("127.0.0.1", visit="")
    assert not role.is_operator()


def test_the_passcode_makes_this_visit_the_operators_and_no_other(connect):
    connect("10.0.0.5", open_to_others=True)
    with pytest.raises(NotAllowed, match="This is not the passcode. It was printed where the server was started"):
        role.enter("wrong")
    assert not role.is_operator()
    role.enter(" correct-horse ")
    assert role.is_operator()
    connect("10.0.0.6", open_to_others=True, visit="two")
    assert not role.is_operator()
    connect("10.0.0.5", open_to_others=True)
    role.leave()
    assert not role.is_operator()


def test_a_visit_that_lost_its_connection_stays_what_it_was(connect):
    connect("127.0.0.1")
    assert role.is_operator()
    connect(None)
    assert role.is_operator()


def test_each_wrong_passcode_doubles_the_delay_also_for_the_right_one():
    tries, waits = passcode.Tries(clock := Clock()), []
    for _ in range(9):
        while True:
            try:
                tries.check("one", "wrong")
            except NotAllowed as refused:
                if "This is not" in str(refused):
                    break
                with pytest.raises(NotAllowed, match="Too many wrong passcodes. Try again in"):
                    tries.check("one", "correct-horse")
                clock.now += 1
        waits.append(clock.now)
    assert waits == [0, 0, 0, 0, 2, 6, 14, 30, 62]
    tries.check("two", "correct-horse")  # another visit need not wait
    clock.now += passcode.LONGEST_DELAY
    tries.check("one", "correct-horse")
    tries.check("one", "correct-horse")


def test_many_visits_together_are_slowed_down_as_well():
    tries = passcode.Tries(clock := Clock())
    for visit in range(passcode.FREE_OF_ALL + 1):
        with pytest.raises(NotAllowed, match="This is not the passcode"):
            tries.check(str(visit), "wrong")
    with pytest.raises(NotAllowed, match="Try again in 2 s"):
        tries.check("another", "correct-horse")
    clock.now += passcode.FORGOTTEN + 1
    tries.check("another", "correct-horse")


def test_a_passcode_of_any_text_is_compared():
    for typed in ("pässwort", "\0", "x" * 100_000, ""):
        with pytest.raises(NotAllowed, match="This is not the passcode"):
            passcode.Tries().check("one", typed)


@pytest.fixture
def read(monkeypatch):
    """The passcode as a new process reads it."""
    monkeypatch.undo()
    monkeypatch.setattr(passcode, "_in_secrets", lambda: "")
    return passcode.value.__wrapped__


def test_the_passcode_of_the_environment_is_used_and_not_inherited(read, monkeypatch, capsys):
    monkeypatch.setenv("KD_PASSCODE", "my own passcode")
    assert read() == "my own passcode"
    assert "KD_PASSCODE" not in passcode.os.environ
    assert capsys.readouterr().out == ""


def test_the_passcode_of_the_secrets_file_is_used(read, monkeypatch):
    monkeypatch.setattr(passcode, "_in_secrets", lambda: "from the file")
    assert read() == "from the file"


def test_without_one_a_random_passcode_is_made_and_printed(read, capsys):
    one, other = read(), read()
    assert one != other
    assert len(one) == 14
    assert f"The operator's passcode is {one}." in capsys.readouterr().out


def test_a_short_passcode_is_not_used(read, monkeypatch, capsys):
    monkeypatch.setenv("KD_PASSCODE", "1234")
    assert read() != "1234"
    assert "KD_PASSCODE has fewer than 6 characters and is not used" in capsys.readouterr().out


@pytest.mark.parametrize("address, is_open", [("127.0.0.1", False), ("0.0.0.0", True)])
def test_a_listening_socket_says_whether_others_reach_the_app(monkeypatch, address, is_open):
    monkeypatch.delenv("KD_HOSTS", raising=False)
    monkeypatch.setattr(exposure, "_found", False)
    monkeypatch.setattr(exposure, "AGAIN_SECONDS", 0.0)
    before = exposure.listening()
    with socket.create_server((address, 0)):
        assert sorted(exposure.listening()) == sorted([*before, address])
        if all(map(exposure._is_loopback, before)):
            assert exposure.is_open() is is_open
            with socket.create_server(("0.0.0.0", 0)):  # one more, later
                assert exposure.is_open()
    assert exposure.listening() == before


def test_a_unix_socket_and_a_name_of_a_proxy_mean_that_others_reach_the_app(monkeypatch, tmp_path):
    monkeypatch.setattr(exposure, "_found", False)
    monkeypatch.setattr(exposure, "AGAIN_SECONDS", 0.0)
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "kd.sock"))
        unix.listen()
        assert "" in exposure.listening()
        assert not exposure._is_loopback("")
    monkeypatch.setenv("KD_HOSTS", "kd.example.org")
    assert exposure.is_open()


def test_a_visitors_photos_are_counted_by_the_minute(connect, monkeypatch):
    connect("10.0.0.5", open_to_others=True)
    clock = Clock()
    monkeypatch.setattr(quota, "photos", quota.Quota(3, 5, clock))
    for _ in range(3):
        quota.take_photo("a.jpg")
        clock.now += 1
    with pytest.raises(Busy, match=r"a.jpg has to wait: 60 photos a minute are read for one visit. Try again in 57 s"):
        quota.take_photo("a.jpg")
    connect("10.0.0.6", open_to_others=True, visit="two")
    quota.take_photo("b.jpg")
    quota.take_photo("b.jpg")
    with pytest.raises(Busy):  # all visits together
        quota.take_photo("b.jpg")
    clock.now = 60.0
    quota.take_photo("b.jpg")
    connect("127.0.0.1")
    for _ in range(20):
        quota.take_photo("the operator's.jpg")


def test_a_visitors_computing_is_counted_by_the_second(connect, monkeypatch):
    connect("10.0.0.5", open_to_others=True)
    clock = Clock()
    monkeypatch.setattr(quota, "computing", quota.Quota(10, 100, clock))
    monkeypatch.setattr(quota.time, "thread_time", iter([0.0, 6.0, 6.0, 12.0, 12.0, 13.0]).__next__)
    for _ in range(2):
        with quota.charged():
            clock.now += 5
    with pytest.raises(NotAllowed, match="20 seconds of computing a minute.*Try again in 55 s"), quota.charged():
        pytest.fail("it was computed")
    clock.now = 65.0
    with quota.charged():
        pass


def test_after_some_minutes_without_a_wrong_passcode_the_count_starts_again():
    tries = passcode.Tries(clock := Clock())
    for _ in range(2):
        for _ in range(passcode.FREE + 1):
            with pytest.raises(NotAllowed, match="This is not the passcode"):
                tries.check("one", "wrong")
        with pytest.raises(NotAllowed, match="Try again in 2 s"):
            tries.check("one", "wrong")
        clock.now += passcode.FORGOTTEN + 1


def test_visits_with_wrong_passcodes_are_counted_up_to_a_number(monkeypatch):
    monkeypatch.setattr(passcode, "MOST_VISITS", 5)
    tries = passcode.Tries(clock := Clock())
    for visit in range(20):
        with pytest.raises(NotAllowed, match="This is not the passcode"):
            tries.check(str(visit), "wrong")
        clock.now += passcode.LONGEST_DELAY
    assert len(tries._wrong) == 5


def test_a_request_of_a_window_of_this_machine_is_the_operators_while_nobody_else_reaches_the_app(monkeypatch):
    monkeypatch.setattr(role, "_local", {"here": True, "elsewhere": False})
    for is_open in (False, True):
        monkeypatch.setattr(exposure, "is_open", lambda is_open=is_open: is_open)
        assert role.known_to_operate("here") is not is_open
        assert not role.known_to_operate("elsewhere")
        assert not role.known_to_operate("")
