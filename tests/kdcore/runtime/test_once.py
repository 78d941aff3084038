import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kdcore.errors import UserError
from kdcore.runtime.once import once


def test_threads_that_ask_together_compute_a_value_once():
    called, together = [], threading.Barrier(8)
    go_on = threading.Event()

    @once(maxsize=4)
    def slow(value):
        called.append(value)
        go_on.wait(60)
        return value + 1

    def ask():
        together.wait(60)
        return slow(1)

    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(ask) for _ in range(7)]
        together.wait(60)
        go_on.set()
        assert [each.result(60) for each in answers] == [2] * 7
    assert called == [1]


def test_another_value_does_not_wait():
    slow_one, started = threading.Event(), threading.Event()

    @once(maxsize=4)
    def named(name):
        if name == "slow":
            started.set()
            slow_one.wait(60)
        return name

    with ThreadPoolExecutor(2) as threads:
        waiting = threads.submit(named, "slow")
        started.wait(60)
        assert threads.submit(named, "quick").result(60) == "quick"
        slow_one.set()
        assert waiting.result(60) == "slow"


def test_an_error_is_raised_and_computed_again():
    called = []

    @once(maxsize=4)
    def fails_first(value):
        called.append(value)
        if len(called) == 1:
            raise ValueError("the first time")
        return value

    with pytest.raises(ValueError, match="the first time"):
        fails_first(3)
    assert fails_first(3) == 3
    assert fails_first(3) == 3
    assert called == [3, 3]


@pytest.mark.parametrize("error", [UserError("no such network"), KeyboardInterrupt(), ValueError("a bug")])
def test_who_waited_for_a_value_that_failed_gets_a_users_error_and_computes_it_again_after_another(error):
    called, began, go_on = [], threading.Event(), threading.Event()

    @once(maxsize=4)
    def fails_first(value):
        called.append(value)
        if len(called) == 1:
            began.set()
            go_on.wait(60)
            raise error
        return value

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(fails_first, 3)
        began.wait(60)
        second = threads.submit(fails_first, 3)
        while not is_waiting(second):
            pass
        go_on.set()
        assert first.exception(60) is error
        if isinstance(error, UserError):
            assert second.exception(60) is error
            assert called == [3]
        else:
            assert second.result(60) == 3
            assert called == [3, 3]


def is_waiting(future):
    """Whether its thread waits within `once`, for another's value."""
    return future.running() and any(
        frame.f_code.co_name == "exception" and frame.f_back.f_code.co_name == "call"
        for thread in sys._current_frames().values()
        for frame in outward(thread)
    )


def outward(frame):
    while frame is not None:
        yield frame
        frame = frame.f_back


def test_the_least_recently_used_value_goes_and_names_of_arguments_count():
    called = []

    @once(maxsize=2)
    def named(a, b=0):
        called.append((a, b))
        return a, b

    named(1), named(2), named(1), named(3), named(1)
    assert called == [(1, 0), (2, 0), (3, 0)]
    named(2)
    assert called[-1] == (2, 0)
    assert named(1, b=5) == (1, 5)
    assert named.cache_info() == (5, 2, 2)
