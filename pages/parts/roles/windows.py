"""Windows that operate, present or ask for control: each has a secret, by which it is recognised after a reload.

A window that entered the passcode owns its control: it may hand it over to a window that asks, and take it back at any time.
"""

import secrets
import threading
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

from streamlit import runtime

from kdcore.errors import NotAllowed

MOST_WINDOWS = 200
MOST_REQUESTS = 5  # that wait for an answer
ASKED_A_MINUTE = 10  # by all windows together
AGAIN_SECONDS = 30.0  # until a window may ask again
GONE_SECONDS = 60.0  # after which the request of a window that was closed is dropped
LONGEST_NAME = 24
NAMELESS = "A visitor"


@dataclass(eq=False)
class Window:
    """A window of a browser. sessions: those that showed its secret, the latest last; lender: the secret of the window that
    handed control to it."""

    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    operates: bool = False
    owner: bool = False
    lender: str = ""
    sessions: dict[str, None] = field(default_factory=dict)
    seen: float = 0.0


@dataclass(frozen=True)
class Request:
    """A window asks for control. id: what the operator's answer names, no secret."""

    id: str
    name: str
    window: Window


class Windows:
    """All windows of this process. `version` grows with each change of control and with each request."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.version = 0
        self._clock = clock
        self._lock = threading.RLock()
        self._windows: dict[str, Window] = {}  # by secret, the oldest first
        self._sessions: dict[str, Window] = {}
        self._requests: list[Request] = []
        self._asked: dict[str, float] = {}  # secret -> when it asked last
        self._presenter = ""

    def of(self, session: str) -> Window | None:
        return self._sessions.get(session)

    def by_secret(self, secret: str) -> Window | None:
        return self._windows.get(secret)

    def operates(self, session: str) -> bool:
        window = self._sessions.get(session)
        return window is not None and window.operates

    def secret(self, session: str) -> str:
        """The secret of a session's window, which is remembered from now on."""
        return self._open(session).secret

    def restore(self, session: str, secret: str) -> bool:
        """After a reload: this session is that window. False where no window has this secret."""
        with self._lock:
            window = self._windows.get(secret)
            if window is None:
                return False
            self._join(session, window)
            return True

    def enter(self, session: str) -> None:
        """Its visitor has entered the passcode."""
        with self._lock:
            window = self._open(session)
            window.operates = window.owner = True
            window.lender = ""
            self._drop(window)
            if (presenter := self.presenter()) is None or self._is_gone(presenter):
                self._presenter = window.secret
            self.version += 1

    def leave(self, session: str) -> None:
        """This window only watches from now on. Control that was handed to it goes back."""
        with self._lock:
            window = self._sessions.get(session)
            if window is None:
                return
            if window.operates and (lender := self._windows.get(window.lender)):
                self._move(window, lender)
            window.operates = window.owner = False
            window.lender = ""
            for each in self._windows.values():
                if each.lender == window.secret:
                    each.lender = ""  # control that was handed on does not come back to a window that gave it up
            self.version += 1

    def presenter(self) -> Window | None:
        """The window whose view the others may follow."""
        window = self._windows.get(self._presenter)
        return window if window and window.operates else None

    def presents(self, session: str) -> bool:
        window = self._sessions.get(session)
        return window is not None and window is self.presenter()

    def present(self, session: str) -> None:
        """Make an operating window the presenter. Raises NotAllowed for any other."""
        with self._lock:
            window = self._sessions.get(session)
            if window is None or not window.operates:
                raise NotAllowed("Only a window with control can present.")
            self._presenter = window.secret
            self.version += 1

    def ask(self, session: str, name: str) -> None:
        """Ask for control. Raises NotAllowed where this window or all together ask too often, or too many wait."""
        with self._lock:
            now, waiting, known = self._clock(), self.requests(), self._sessions.get(session)
            if known and any(each.window is known for each in waiting):
                raise NotAllowed("This window has asked already. The operator sees the request.")
            last = self._asked.get(known.secret, -AGAIN_SECONDS) if known else -AGAIN_SECONDS
            if (wait := last + AGAIN_SECONDS - now) > 0:
                raise NotAllowed(f"This window asked a moment ago. Ask again in {max(1, round(wait))} s.")
            if len(self._requests) >= MOST_REQUESTS:
                raise NotAllowed(f"{MOST_REQUESTS} requests wait for an answer already. Ask again later.")
            self._asked = {secret: when for secret, when in self._asked.items() if now - when < 60}
            if len(self._asked) >= ASKED_A_MINUTE:
                raise NotAllowed("Too many requests in this minute. Ask again later.")
            window = self._open(session)  # not before: those that are refused leave nothing
            self._asked[window.secret] = now
            self._requests.append(Request(secrets.token_hex(4), as_name(name), window))
            self.version += 1

    def withdraw(self, session: str) -> None:
        if window := self._sessions.get(session):
            self._drop(window)

    def requests(self) -> list[Request]:
        """Those that wait for an answer, without those of windows that were closed."""
        with self._lock:
            for each in self._requests:
                if not self._is_gone(each.window):
                    each.window.seen = self._clock()
            kept = [each for each in self._requests if self._clock() - each.window.seen < GONE_SECONDS]
            if len(kept) < len(self._requests):
                self._requests = kept
                self.version += 1
            return list(kept)

    def asks(self, session: str) -> bool:
        window = self._sessions.get(session)
        return window is not None and any(each.window is window for each in self._requests)

    def grant(self, session: str, request_id: str) -> None:
        """Hand the control of this window over to the one that asked."""
        with self._lock:
            window, wanted = self._sessions.get(session), self._answer(request_id)
            if window is None or not window.operates:
                raise NotAllowed("This window has no control to hand over.")
            if wanted is None:
                raise NotAllowed("This request is no longer there: its window was closed, or it was answered already.")
            wanted.lender = window.secret
            self._move(window, wanted)

    def decline(self, request_id: str) -> None:
        self._answer(request_id)

    def has_lent(self, session: str) -> bool:
        """Whether this window may take control back."""
        window = self._sessions.get(session)
        return window is not None and window.owner and not window.operates

    def take_back(self, session: str) -> None:
        """Control returns to the window that entered the passcode, from every window that it was handed to."""
        with self._lock:
            window = self._sessions.get(session)
            if window is None or not window.owner:
                raise NotAllowed("Only a window that entered the passcode can take control back.")
            for each in self._windows.values():
                if each.operates and not each.owner:
                    self._move(each, window)
            window.operates = True
            self.version += 1

    def _move(self, source: Window, target: Window) -> None:
        """Control, and the presenter's part, from one window to the other."""
        source.operates, target.operates = False, True
        if self._presenter == source.secret:
            self._presenter = target.secret
        self.version += 1

    def _answer(self, request_id: str) -> Window | None:
        """Remove a request; the window that made it."""
        with self._lock:
            found = next((each for each in self.requests() if each.id == request_id), None)
            if found:
                self._drop(found.window)
            return found.window if found else None

    def _drop(self, window: Window) -> None:
        kept = [each for each in self._requests if each.window is not window]
        if len(kept) < len(self._requests):
            self._requests = kept
            self.version += 1

    def _open(self, session: str) -> Window:
        with self._lock:
            if window := self._sessions.get(session):
                return window
            window = Window(seen=self._clock())
            self._windows[window.secret] = window
            self._join(session, window)
            self._forget_oldest()
            return window

    def _join(self, session: str, window: Window) -> None:
        for ended in [each for each in window.sessions if not _is_active(each)]:
            window.sessions.pop(ended)
            self._sessions.pop(ended, None)
        if (before := self._sessions.get(session)) and before is not window:
            before.sessions.pop(session, None)
        window.sessions[session] = None
        window.seen = self._clock()
        self._sessions[session] = window

    def _forget_oldest(self) -> None:
        """Keep the number of windows bounded: those that only watch go first."""
        while len(self._windows) > MOST_WINDOWS:
            watching = (each for each in self._windows.values() if not (each.operates or each.owner))
            oldest = next(watching, None) or next(iter(self._windows.values()))
            self._drop(oldest)
            del self._windows[oldest.secret]
            for session in oldest.sessions:
                self._sessions.pop(session, None)

    @staticmethod
    def _is_gone(window: Window) -> bool:
        return not any(_is_active(session) for session in window.sessions)


def as_name(typed: str) -> str:
    """A visitor's name in one short line of visible characters."""
    visible = "".join(each if unicodedata.category(each)[0] not in "CZ" else " " for each in typed[:500])
    return " ".join(visible.split())[:LONGEST_NAME].strip() or NAMELESS


def _is_active(session: str) -> bool:
    return not runtime.exists() or runtime.get_instance().is_active_session(session)
