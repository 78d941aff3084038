"""Interruption of long work that yields no events: a download or a decoding loop checks whether its run was stopped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Interrupted(Exception):
    """The run that this thread prepares was stopped."""


def _never() -> bool:
    return False


_requested: ContextVar[Callable[[], bool]] = ContextVar("interruption", default=_never)


@contextmanager
def interruptible(requested: Callable[[], bool]) -> Iterator[None]:
    """Let `check` in this thread raise as soon as `requested` is true."""
    before = _requested.set(requested)
    try:
        yield
    finally:
        _requested.reset(before)


def check() -> None:
    """Between two parts of long work. Costs less than a microsecond. Raises Interrupted."""
    if _requested.get()():
        raise Interrupted
