"""What a user writes about a run: another name, tags, a note, and whether it is pinned or archived; in label.json beside it.

Neither the recipe nor the events change. The label is replaced as a whole, so that a reader never sees half of it.
"""

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kdcore.errors import UserError, blank, shortened, visible
from kdcore.files import atomic, disk
from kdcore.files.reading import read_whole, regular

FILE = "label.json"
LONGEST_NAME, LONGEST_TAG, LONGEST_NOTE = 80, 40, 2000  # characters
MOST_TAGS = 20
MOST_BYTES = 1 << 16
UNREADABLE = f"{FILE} cannot be read, so that its name, tags and note are not shown: change one of them, which replaces the file."


@dataclass(frozen=True)
class Label:
    """An empty name means that of the recipe."""

    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    pinned: bool = False
    archived: bool = False


def changed(
    label: Label, *, name: str | None = None, note: str | None = None, tags: Iterable[str] | None = None,
    pinned: bool | None = None, archived: bool | None = None,
) -> Label:  # fmt: skip
    """A copy with what is not None; texts without what is not `errors.visible`, nor blanks around them, each tag once. Raises UserError where one is too long."""
    wanted: dict[str, Any] = {}
    if name is not None:
        wanted["name"] = _checked("name", _in_a_line(name), LONGEST_NAME)
    if note is not None:
        wanted["note"] = _checked("note", visible(note, lines=True).strip(), LONGEST_NOTE)
    if tags is not None:
        found = tuple(dict.fromkeys(filter(None, map(_in_a_line, tags))))
        if len(found) > MOST_TAGS:
            raise UserError(f"{len(found)} tags are too many: a run has at most {MOST_TAGS}.")
        wanted["tags"] = tuple(_checked(f"tag {shortened(tag)}", tag, LONGEST_TAG) for tag in found)
    wanted |= {key: on for key, on in (("pinned", pinned), ("archived", archived)) if on is not None}
    return replace(label, **wanted)


def _in_a_line(text: str) -> str:
    """A text with single blanks, umlauts as one character; empty where nothing of it would be seen."""
    return "" if blank(text) else " ".join(unicodedata.normalize("NFC", visible(text)).split())


def _checked(what: str, text: str, most: int) -> str:
    if len(text) > most:
        raise UserError(f"The {what} has {len(text):,} characters; at most {most:,} are allowed. Shorten it.")
    return text


def written_at(folder: str) -> int:
    """Changes with the label; 0 where there is none."""
    try:
        return regular(f"{folder}/{FILE}").st_mtime_ns
    except FileNotFoundError:
        return 0
    except OSError:
        return -1  # it cannot be read


def read(folder: Path) -> Label:
    """A run's label; empty where it has none. Raises UserError where the file is damaged."""
    try:
        plain = json.loads(read_whole(folder / FILE, MOST_BYTES))
        if not isinstance(plain, dict):
            raise UserError(UNREADABLE)
        kinds = {"name": str, "note": str, "pinned": bool, "archived": bool, "tags": list}
        known = {key: plain[key] for key, kind in kinds.items() if isinstance(plain.get(key), kind)}
        if not all(isinstance(tag, str) for tag in known.get("tags", ())):
            raise UserError(UNREADABLE)
        return changed(Label(), **known)
    except FileNotFoundError:
        return Label()
    except (OSError, ValueError, RecursionError):
        raise UserError(UNREADABLE) from None


def write(folder: Path, label: Label) -> None:
    """Replace a run's label; an empty one is removed. Raises UserError where the disk is full or read-only."""
    with disk.in_words(folder, then="change it again"):
        if label == Label():
            (folder / FILE).unlink(missing_ok=True)
        else:
            atomic.write_text(folder / FILE, json.dumps(asdict(label), ensure_ascii=False))


def edit(
    folder: Path, *, name: str | None = None, note: str | None = None, tags: Iterable[str] | None = None,
    add_tags: Iterable[str] = (), remove_tags: Iterable[str] = (), pinned: bool | None = None, archived: bool | None = None,
) -> Label:  # fmt: skip
    """Change what is not None of a run's label, and return it; a damaged one is replaced. One caller at a time.

    Raises:
        UserError: a text is too long, or the disk is full.
    """
    damaged, before = False, Label()
    try:
        before = read(folder)
    except UserError:
        damaged = True
    added, removed = tuple(add_tags), {_in_a_line(tag) for tag in remove_tags}
    if tags is None and (added or removed):
        tags = [tag for tag in (*before.tags, *added) if _in_a_line(tag) not in removed]
    after = changed(before, name=name, note=note, tags=tags, pinned=pinned, archived=archived)
    if damaged or after != before:
        write(folder, after)
    return after
