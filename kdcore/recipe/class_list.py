"""Files of class names: one a line in the order of their numbers, or JSON, as weights from outside and tar shards have them."""

import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

from kdcore.errors import UserError, clipped, visible
from kdcore.files import reading
from kdcore.recipe.weight_header import LARGEST_TEXT, LONGEST_CLASS

_NUMBERED = re.compile(r"(\d+)\s*[ \t,;:]\s*(?=\S)", re.ASCII)


def read(path: Path, most: int = LARGEST_TEXT) -> tuple[str, ...]:
    """The class names in a file: lines, which may begin with their numbers from 0; or a JSON list, or one of numbers and names.

    Args:
        most: bytes of the file.

    Raises:
        UserError: it cannot be read, has none, one that is empty or too long, or one twice.
    """
    try:
        text = reading.read_whole(path, most).decode("utf-8-sig").rstrip()
    except FileNotFoundError:
        raise UserError(f"There is no file {path} with the names of the classes, one a line.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeError:
        raise UserError(f"{path} is not text in UTF-8: save it as UTF-8, one name a line.") from None
    plain = _in_json(path, text) if text.lstrip().startswith(("[", "{")) else _unnumbered(text.splitlines())
    found = tuple(unicodedata.normalize("NFC", visible(name)).strip() for name in plain)
    _check(path, found)
    return found


def _check(path: Path, found: tuple[str, ...]) -> None:
    if not found:
        raise UserError(f"{path} should have the names of the classes, one a line: it is empty.")
    if "" in found:
        place = found.index("")
        raise UserError(f"{path} has no name in line {place + 1}: the label {place} needs one there.")
    if long := next((name for name in found if len(name) > LONGEST_CLASS), None):
        raise UserError(
            f"{path} has a name of {len(long):,} characters, {clipped(long, 60)!r}; {LONGEST_CLASS} are the most. Write one name a line."
        )
    if twice := next((name for name, count in Counter(found).items() if count > 1), None):
        raise UserError(f"{path} names the class {clipped(twice, 80)!r} twice: every line must be another name.")


def _unnumbered(lines: list[str]) -> list[str]:
    """`0 cat`, `1 dog` -> `cat`, `dog`, where every line begins with its own number; `0 fingers`, `1 fingers` need theirs."""
    matched = [_NUMBERED.match(line.strip()) for line in lines]
    if len(lines) < 2 or not all(found and found[1] == str(place) for place, found in enumerate(matched)):
        return lines
    names = [line.strip()[found.end() :] for line, found in zip(lines, matched, strict=True) if found]
    return names if len(set(names)) == len(names) else lines


def _in_json(path: Path, text: str) -> list[str]:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise UserError(f"{path} begins like JSON and cannot be read as such. Write the names, one a line.") from None
    if isinstance(found, dict):
        numbers = set(map(str, range(len(found))))
        if set(found) == numbers:
            found = [found[key] for key in sorted(found, key=int)]
        elif {str(value) for value in found.values()} == numbers:
            found = sorted(found, key=lambda name: int(found[name]))
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise UserError(f"{path} should be a list of names, or map numbers from 0 to names.")
    return found
