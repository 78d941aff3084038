"""What the presenter shows: one small state of this process, which the windows of those who follow request."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from streamlit import runtime

from kdcore.errors import NotAllowed, UserError, visible
from pages.parts.roles import role
from pages.parts.roles.windows import Window
from pages.parts.stage.address import Address, address

CURSOR = ("epoch", "from", "to")
LONGEST_CAPTION = 200
FARTHEST = 1e12  # a cursor, in epochs
APART_SECONDS = 0.03  # about as long as a page takes: where all are drawn at once, all are drawn late


@dataclass(frozen=True)
class Shown:
    """A view, where the cursor is, and of the storyboard the view's id and caption."""

    address: Address
    cursor: Mapping[str, float] | None = None
    view: str = ""
    caption: str = ""


class Stage:
    """The presenter's view. `version` grows with each change."""

    def __init__(self) -> None:
        self.version = 0
        self.shown: Shown | None = None
        self._lock = threading.Lock()
        self._watching: dict[object, Callable[[float], object]] = {}

    @property
    def followers(self) -> int:
        return len(self._watching)

    @contextmanager
    def watched(self, changed: Callable[[float], object]) -> Iterator[None]:
        """Call `changed` after each change, in the thread of whoever made it, with the seconds after which to take notice of it."""
        key = object()
        self._watching[key] = changed
        try:
            yield
        finally:
            del self._watching[key]

    def show(self, window: Window | None, message: object) -> None:
        """Keep what the presenter's window sent. Raises NotAllowed for any other window, UserError for what is no view."""
        _check(window)
        found = read(message)
        with self._lock:
            if found == self.shown:
                return
            moves = self.shown is None or found.address != self.shown.address
            self.shown, self.version = found, self.version + 1
        for place, changed in enumerate(list(self._watching.values())):
            changed(place * APART_SECONDS * moves)

    def text(self, live: str) -> tuple[str, str]:
        """A version and the state as JSON, for everybody. live: the run that trains, or nothing."""
        presenter, shown = role.windows.presenter(), self.shown
        presenting = presenter is not None and any(map(is_here, presenter.sessions))
        version = f"{self.version}.{role.windows.version}.{presenting:d}.{live}"
        plain: dict[str, Any] = {
            "version": version,
            "control": role.windows.version,
            "presenting": presenting,
            "live": live,
        }
        if shown:
            plain |= {"page": shown.address.page, "query": shown.address.query, "cursor": shown.cursor}
            plain |= {"view": shown.view, "caption": shown.caption}
        return version, json.dumps(plain)


def read(message: object) -> Shown:
    """What a window sent, checked: a page of the app, finite numbers, one line of text. Raises UserError."""
    if not isinstance(message, Mapping):
        raise UserError("A view is an object with page, query and cursor.")
    view, caption = message.get("view") or "", message.get("caption") or ""
    if not isinstance(view, str) or not isinstance(caption, str):
        raise UserError("The view's id and caption are text.")
    where = address(message.get("page"), message.get("query", ""))
    return Shown(where, cursor_of(message.get("cursor")), visible(view[:16]), as_caption(caption))


def as_caption(text: str) -> str:
    """A caption in one line."""
    return " ".join(visible(text).split())[:LONGEST_CAPTION]


def cursor_of(value: object) -> dict[str, float] | None:
    """The cursor's epoch and stretch, as components/shared/cursor.js has them. Raises UserError for anything else."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise UserError("A cursor is an object with an epoch.")
    plain = {name: value[name] for name in CURSOR if value.get(name) is not None}
    for name, number in plain.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not -FARTHEST < number < FARTHEST:
            raise UserError(f"The cursor's {name} is a number.")
    return {name: float(number) for name, number in plain.items()} or None


def _check(window: Window | None) -> None:
    """Raises NotAllowed where this window may not lead the others."""
    if window is None or not any(map(role.operates, window.sessions)):
        raise NotAllowed("Only the window of the presenter can do this.")
    presenter = role.windows.presenter()
    if presenter not in (None, window):
        raise NotAllowed("Another window presents.")


def is_here(session: str) -> bool:
    """Whether a visit's browser is connected."""
    return not runtime.exists() or runtime.get_instance().is_active_session(session)


stage = Stage()
