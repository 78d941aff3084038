"""What a visitor may use: photos a minute and seconds of computing a minute, for each visit and for all visitors together.

The size of uploads has a quota of its own, `server/uploads`, which holds for everybody.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from kdcore.errors import Busy, NotAllowed, OverQuota
from pages.parts.roles import role

WINDOW = 60.0  # seconds
PHOTOS = 60  # decoded for one visit a minute
COMPUTING = 20.0  # seconds of CPU time for one visit a minute
PHOTOS_OF_ALL, COMPUTING_OF_ALL = 4 * PHOTOS, 2 * COMPUTING
SHARES = 3  # photos shared by one visit a minute


class Quota:
    """What was used in the last minute, by visit; a visit is forgotten when it has used nothing for that long."""

    def __init__(self, own: float, of_all: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.own, self.of_all = own, of_all
        self._clock = clock
        self._lock = threading.Lock()
        self._used: deque[tuple[float, str, float]] = deque()  # time, visit, amount

    def wait(self, visit: str, amount: float = 0.0) -> float:
        """Seconds until so much more is within the quota of this visit and of all; 0 if it is now."""
        with self._lock:
            self._forget()
            own = [(when, used) for when, whose, used in self._used if whose == visit]
            every = [(when, used) for when, _, used in self._used]
            return max(self._until(own, self.own, amount), self._until(every, self.of_all, amount))

    def use(self, visit: str, amount: float) -> None:
        with self._lock:
            self._forget()
            self._used.append((self._clock(), visit, amount))

    def _until(self, used: list[tuple[float, float]], most: float, amount: float) -> float:
        excess = sum(each for _, each in used) + amount - most
        if excess < 0 or (amount and excess == 0):
            return 0.0
        for when, each in used:
            excess -= each
            if excess < 0 or (amount and excess == 0):
                return max(0.0, when + WINDOW - self._clock())
        return 0.0

    def _forget(self) -> None:
        while self._used and self._clock() - self._used[0][0] >= WINDOW:
            self._used.popleft()


photos = Quota(PHOTOS, PHOTOS_OF_ALL)
computing = Quota(COMPUTING, COMPUTING_OF_ALL)
shares = Quota(SHARES, 4 * SHARES)


def take_photo(name: str) -> None:
    """Count a photo that is to be decoded for this visit. Raises Busy where a visitor has to wait."""
    if role.is_operator():
        return
    if seconds := photos.wait(role.visit(), 1):
        raise Busy(
            f"{name} has to wait: {PHOTOS} photos a minute are read for one visit. Try again in {seconds:.0f} s."
        )
    photos.use(role.visit(), 1)


def take_share() -> None:
    """Count a photo that this visit shares. Raises NotAllowed where a visitor has to wait."""
    if role.is_operator():
        return
    if seconds := shares.wait(role.visit(), 1):
        raise NotAllowed(
            f"Visitors may share {SHARES} photos a minute, which this visit or all together have done. Try again in {seconds:.0f} s."
        )
    shares.use(role.visit(), 1)


@contextlib.contextmanager
def charged() -> Iterator[None]:
    """Count the CPU time of this thread for the current visit. Raises OverQuota where a visitor has used too much."""
    if role.is_operator():
        yield
        return
    if seconds := computing.wait(role.visit()):
        raise OverQuota(
            f"Visitors have {COMPUTING:.0f} seconds of computing a minute, which this visit or all together have used. "
            f"Try again in {seconds:.0f} s."
        )
    began = time.thread_time()
    try:
        yield
    finally:
        computing.use(role.visit(), time.thread_time() - began)
