"""The operator's passcode: where it comes from, and how often it may be tried."""

import hmac
import os
import secrets
import threading
import time
from collections.abc import Callable
from functools import cache

import streamlit as st

from kdcore.errors import NotAllowed

VARIABLE = "KD_PASSCODE"
SHORTEST = 6  # characters
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that look alike
FREE = 3  # wrong passcodes of a visit without a delay
FREE_OF_ALL = 20  # and of all visits together
LONGEST_DELAY = 60.0  # seconds
FORGOTTEN = 600.0  # seconds without a wrong passcode, after which the count starts again
MOST_VISITS = 1000  # that are counted


@cache
def value() -> str:
    """KD_PASSCODE, or that of `.streamlit/secrets.toml`, else a random one, which is printed. Read once.

    It is removed from the environment, which the processes that decode uploads inherit.
    """
    given = os.environ.pop(VARIABLE, "") or _in_secrets()
    if len(given) >= SHORTEST:
        return given
    made = random()
    why = f" ({VARIABLE} has fewer than {SHORTEST} characters and is not used)" if given else ""
    print(f"  The operator's passcode is {made}{why}.", flush=True)
    return made


def random() -> str:
    """A passcode of 48 bits: three groups of four characters, less those that look alike."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(3))


def _in_secrets() -> str:
    try:
        return str(st.secrets.get(VARIABLE, ""))
    except FileNotFoundError:  # there is no such file
        return ""


class Tries:
    """Counts wrong passcodes, of each visit and of all together; each more than a few doubles the time until the next try."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong: dict[str, tuple[int, float]] = {}  # visit -> wrong passcodes, time of the last; "" is all together

    def check(self, visit: str, typed: str) -> None:
        """Raises NotAllowed where the passcode is wrong, or tried too soon; then it is not compared at all."""
        with self._lock:
            if (seconds := max(self._delay(visit, FREE), self._delay("", FREE_OF_ALL))) > 0:
                raise NotAllowed(f"Too many wrong passcodes. Try again in {seconds:.0f} s.")
            if hmac.compare_digest(typed.strip().encode(), value().encode()):
                self._wrong.pop(visit, None)
                return
            for each in (visit, ""):
                count, _ = self._wrong.pop(each, (0, 0.0))
                self._wrong[each] = (count + 1, self._clock())
            while len(self._wrong) > MOST_VISITS:
                self._wrong.pop(next(iter(self._wrong)))
        raise NotAllowed("This is not the passcode. It was printed where the server was started.")

    def _delay(self, whose: str, free: int) -> float:
        """Seconds until the next try."""
        count, last = self._wrong.get(whose, (0, 0.0))
        passed = self._clock() - last
        if passed > FORGOTTEN:
            self._wrong.pop(whose, None)
            return 0.0
        return min(LONGEST_DELAY, 2.0 ** min(count - free, 10)) - passed if count > free else 0.0
