"""SIGTERM, as a scheduler or a container sends it, stops a command's runs like Ctrl-C."""

import os
import signal
import threading

import pytest

from kdcore.cli import progress


class Runs:
    """Two runs that never end by themselves; the signal comes while the first one is waited for, and again while it stops."""

    def __init__(self) -> None:
        self.stops: list[tuple[str, str]] = []

    def wait(self, run_id: str, timeout: float) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return bool(self.stops)

    def active(self) -> list[str]:
        return ["one", "two"]

    def stop(self, run_id: str, reason: str) -> None:
        self.stops.append((run_id, reason))


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.default_int_handler])
def test_sigterm_stops_the_runs_with_a_checkpoint_and_a_second_one_changes_nothing(before):
    usual = signal.signal(signal.SIGTERM, before)
    try:
        runs = Runs()
        assert not progress.waited(runs, ["one", "two"])
        assert [run_id for run_id, _ in runs.stops] == ["two", "one"]
        assert signal.getsignal(signal.SIGTERM) == before
    finally:
        signal.signal(signal.SIGTERM, usual)


def test_a_command_in_another_thread_leaves_the_signal_alone():
    found = []

    def look() -> None:
        with progress.sigterm_as_interrupt():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]
