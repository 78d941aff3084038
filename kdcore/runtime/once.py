"""A cache in which threads that ask for the same value at the same time compute it once."""

import functools
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import NamedTuple, ParamSpec, TypeVar

from kdcore.errors import UserError

P = ParamSpec("P")
T = TypeVar("T")


class CacheInfo(NamedTuple):
    """As of `functools.lru_cache`."""

    misses: int
    maxsize: int
    currsize: int


def once(maxsize: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Like `functools.lru_cache`, but a caller waits for another thread that computes the same value.

    `lru_cache` lets each of them compute it: 25 visitors who open a page together then take 25 times as long. A UserError reaches
    everybody who waited; after another error, such as the interruption of one thread, those who waited compute it themselves. No error
    is kept. Arguments are hashable; a function must not call itself with the same ones.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        held: dict[Hashable, Future[T]] = {}  # the most recently used is last
        lock, misses = threading.Lock(), 0

        def take(key: Hashable) -> tuple[Future[T], bool]:
            """The value of a key, and whether the caller is to compute it."""
            nonlocal misses
            with lock:
                found = held.pop(key, None)
                value: Future[T] = found or Future()
                held[key] = value
                misses += found is None
                while len(held) > maxsize:
                    del held[next(iter(held))]
            return value, found is None

        def forget(key: Hashable, value: Future[T]) -> None:
            with lock:
                if held.get(key) is value:
                    del held[key]

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            key = (args, tuple(sorted(kwargs.items())))
            while True:
                value, is_mine = take(key)
                if is_mine:
                    _fill(value, functools.partial(function, *args, **kwargs), functools.partial(forget, key, value))
                error = value.exception()
                if error is None or is_mine or isinstance(error, UserError):
                    return value.result()

        call.cache_info = lambda: CacheInfo(misses, maxsize, len(held))  # type: ignore[attr-defined]
        return call

    return decorate


def _fill(value: Future[T], make: Callable[[], T], failed: Callable[[], None]) -> None:
    """Give the future its value, or its error, which is not kept for later callers."""
    try:
        value.set_result(make())
    except BaseException as error:
        failed()
        value.set_exception(error)
