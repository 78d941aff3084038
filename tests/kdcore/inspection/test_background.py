"""Work that is done before it is needed: in a thread, one piece at a time, and given up at once."""

import threading

import pytest

from kdcore.errors import UserError
from kdcore.inspection.robustness.background import Background


@pytest.fixture
def gate():
    """Lets a thread take one step for each `release`."""
    return threading.Semaphore(0)


def counting(seen, gate, taken, name="it"):
    while True:
        gate.acquire(timeout=30)
        seen.append(name)
        taken.release()
        yield


def test_all_steps_are_taken():
    ahead, seen = Background(), []
    ahead.start(seen.append(place) for place in range(3))
    ahead.wait()
    assert seen == [0, 1, 2]


def test_no_step_is_taken_after_it_was_stopped(gate):
    ahead, seen, taken = Background(), [], threading.Semaphore(0)
    ahead.start(counting(seen, gate, taken))
    gate.release()
    assert taken.acquire(timeout=30)
    ahead.stop()
    gate.release()  # of a step that may have begun already
    ahead.wait()
    assert len(seen) <= 2


def test_new_work_takes_the_place_of_the_last(gate):
    ahead, seen, taken = Background(), [], threading.Semaphore(0)
    ahead.start(counting(seen, gate, taken, "first"))
    ahead.start(seen.append("second") for _ in range(1))
    ahead.wait()
    gate.release()
    assert "second" in seen


def test_an_error_that_a_user_can_mend_ends_it_without_a_word(capfd):
    def refused():
        raise UserError("no images")
        yield

    ahead = Background()
    ahead.start(refused())
    ahead.wait()
    assert capfd.readouterr().err == ""
