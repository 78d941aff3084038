"""The storyboard: saved views with captions and notes, one file beside the runs."""

import json
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kdcore import paths
from kdcore.errors import UserError, visible
from kdcore.files import locks
from kdcore.files.atomic import replacing
from kdcore.files.reading import read_whole
from pages.parts.stage.address import parse
from pages.parts.stage.state import LONGEST_CAPTION, as_caption, cursor_of

VERSION = 1
LARGEST = 1 << 20  # bytes of the file
MOST_VIEWS = 100
LONGEST_NOTES = 4000

_lock = threading.Lock()


@dataclass(frozen=True)
class View:
    """address: a page of the app with its parameters. cursor: the epoch pointed at, where there is one. scroll: how far down,
    from 0 to 1 of the page's height."""

    address: str
    caption: str
    notes: str = ""
    cursor: dict[str, float] | None = None
    scroll: float = 0.0
    id: str = field(default_factory=lambda: secrets.token_hex(4))


def file() -> Path:
    return paths.runs_folder() / "storyboard.json"


def load() -> list[View]:
    """The views in order. Raises UserError where the file is damaged, of a newer version, or leads out of the app."""
    try:
        text = read_whole(file(), LARGEST)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{file().name} cannot be read: {error.strerror}. {_remedy()}") from None
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError):
        raise UserError(f"{file().name} is no JSON. {_remedy()}") from None
    if not isinstance(plain, dict) or plain.get("version") != VERSION:
        raise UserError(f"{file().name} has no version {VERSION}, which this app reads. {_remedy()}")
    views = plain.get("views")
    if not isinstance(views, list) or len(views) > MOST_VIEWS:
        raise UserError(f"{file().name} has no list of at most {MOST_VIEWS} views. {_remedy()}")
    found = [_read(number, view) for number, view in enumerate(views, 1)]
    if len({view.id for view in found}) < len(found):
        raise UserError(f"{file().name} has two views with one id. {_remedy()}")
    return found


def save(views: Sequence[View]) -> None:
    """Write the file as a whole. Raises UserError where it cannot be written, or would be too large to be read again."""
    plain = {"version": VERSION, "views": [_plain(view) for view in views]}
    content = (json.dumps(plain, indent=2, ensure_ascii=False) + "\n").encode()
    if len(content) > LARGEST:
        raise UserError(
            f"The storyboard would take {len(content):,} bytes; at most {LARGEST:,} are kept. Shorten notes."
        )
    try:
        file().parent.mkdir(parents=True, exist_ok=True)
        with replacing(file()) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise UserError(f"{file().name} cannot be written: {error.strerror}.") from None


def add(address: str, caption: str, cursor: object = None, scroll: object = 0.0) -> View:
    """Save a view at the end. Raises UserError for an address that is none of the app's, or where there are too many."""
    where = parse(address)
    view = View(str(where), as_caption(caption) or str(where), cursor=cursor_of(cursor), scroll=scroll_of(scroll))
    with _changing() as views:
        if len(views) >= MOST_VIEWS:
            raise UserError(f"A storyboard has at most {MOST_VIEWS} views. Delete some first.")
        views.append(view)
    return view


def edit(view_id: str, caption: str, notes: str) -> None:
    """Give a view another caption and other notes. Raises UserError where there is no such view, or the notes are too long."""
    if len(notes) > LONGEST_NOTES:
        raise UserError(f"Notes have at most {LONGEST_NOTES:,} characters, not {len(notes):,}.")
    with _changing() as views:
        place = _place(views, view_id)
        views[place] = replace(views[place], caption=as_caption(caption) or views[place].caption, notes=as_notes(notes))


def move(view_id: str, by: int) -> None:
    """Move a view towards the end (1) or the beginning (-1)."""
    with _changing() as views:
        place = _place(views, view_id)
        views.insert(min(len(views), max(0, place + by)), views.pop(place))


def delete(view_id: str) -> None:
    with _changing() as views:
        views.pop(_place(views, view_id))


def scroll_of(value: object) -> float:
    """A share of the page's height. Raises UserError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UserError("A view's scroll is a number from 0 to 1.")
    return float(value)


def as_notes(text: str) -> str:
    return visible(text, lines=True).strip()[:LONGEST_NOTES]


@contextmanager
def _changing() -> Iterator[list[View]]:
    """The views as a list to change, which is saved at the end of the block."""
    with _lock, _alone():
        views = load()
        yield views
        save(views)


@contextmanager
def _alone() -> Iterator[None]:
    """Keeps other apps on the same runs from changing the file meanwhile. Raises UserError where it cannot be written."""
    with ExitStack() as held:
        try:
            file().parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(locks.holding(file().with_suffix(".lock")))
        except OSError as error:
            raise UserError(f"{file().name} cannot be written: {error.strerror}.") from None
        yield


def _place(views: Sequence[View], view_id: str) -> int:
    for place, view in enumerate(views):
        if view.id == view_id:
            return place
    raise UserError("This view is no longer in the storyboard; another window may have deleted it.")


def _read(number: int, plain: object) -> View:
    """A view of the file. Raises UserError with its number."""
    texts = ("address", "caption", "notes", "id")
    if not isinstance(plain, dict) or any(not isinstance(plain.get(name, ""), str) for name in texts):
        raise UserError(f"View {number} of {file().name} needs an address and a caption as text. {_remedy()}")
    try:
        where, cursor = str(parse(plain.get("address", "no address"))), cursor_of(plain.get("cursor"))
        scroll = scroll_of(plain.get("scroll", 0.0))
    except UserError as error:
        raise UserError(f"View {number} of {file().name} is refused: {error} {_remedy()}") from None
    for name, most in (
        ("caption", LONGEST_CAPTION),
        ("notes", LONGEST_NOTES),
    ):  # what is left out would be gone with the next change
        if len(plain.get(name, "")) > most:
            raise UserError(
                f"The {name} of view {number} of {file().name} has more than {most:,} characters: shorten it. {_remedy()}"
            )
    caption, notes = as_caption(plain.get("caption", "")) or where, as_notes(plain.get("notes", ""))
    return View(where, caption, notes, cursor, scroll, visible(plain.get("id", "")[:16]).strip() or f"view-{number}")


def _plain(view: View) -> dict[str, Any]:
    plain: dict[str, Any] = {"id": view.id, "address": view.address, "caption": view.caption}
    if view.cursor:
        plain["cursor"] = view.cursor
    if view.scroll:
        plain["scroll"] = view.scroll
    if view.notes:
        plain["notes"] = view.notes
    return plain


def _remedy() -> str:
    return f"Mend or remove the file {file().name} in the folder of runs."
