"""Files of class names: one a line in the order of their numbers, or JSON, as weights from outside and tar shards have them."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kdcore.errors import UserError, blank, clipped, visible
from kdcore.files import reading
from kdcore.recipe.weight_header import LARGEST_TEXT, LONGEST_CLASS

_NUMBERED = re.compile(r"(\d+)\s*[ \t,;:]\s*(?=\S)", re.ASCII)
_LINE_END = re.compile(r"\r\n|\n|\r")  # `str.splitlines` also splits at form feeds and U+2028, which a name may have


def read(
    path: Path, most: int = LARGEST_TEXT, report: Callable[[str], None] = lambda sentence: None
) -> tuple[str, ...]:
    """The class names in a file: lines, which may begin with their numbers from 0; or a JSON list, or one of numbers and names.

    Args:
        most: bytes of the file.
        report: gets a sentence where the names are ordered by the numbers before them, and not as the lines are.

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
        text = "\0"
    if "\0" in text:  # as in UTF-16
        raise UserError(f"{path} is not text in UTF-8: save it as UTF-8, one name a line.") from None
    plain = _in_json(path, text) if text.lstrip().startswith(("[", "{")) else _in_lines(path, text, report)
    found = tuple(map(_tidy, plain))
    _check(path, found)
    return found


def typed(text: str) -> tuple[str, ...]:
    """The class names in a text that was typed: lines as in a file, without those that are empty."""
    return tuple(map(_tidy, _unnumbered([line for line in _LINE_END.split(text) if not blank(line)])))


def _tidy(name: str) -> str:
    return unicodedata.normalize("NFC", visible(name)).strip()


def _unnumbered(given: list[str]) -> list[str]:
    """`0 cat`, `1 dog` -> `cat`, `dog`, by number, where each line begins with another number from 0 on.

    Else the lines as they are: numbers from 1 may belong to the names, and `0 fingers`, `1 fingers` need theirs.
    """
    matched = [_NUMBERED.match(line.strip()) for line in given]
    by_number = {found[1]: line.strip()[found.end() :] for line, found in zip(given, matched, strict=True) if found}
    numbers = list(map(str, range(len(given))))
    if len(given) < 2 or by_number.keys() != set(numbers) or len(set(by_number.values())) < len(given):
        return given
    return [by_number[number] for number in numbers]


def _in_lines(path: Path, text: str, report: Callable[[str], None]) -> list[str]:
    given = _LINE_END.split(text)
    found = _unnumbered(given)
    if any(not line.endswith(name) for line, name in zip((line.strip() for line in given), found, strict=True)):
        report(f"The lines of {path.name} begin with numbers in another order: the classes are ordered by number.")
    return found


def _check(path: Path, found: tuple[str, ...]) -> None:
    if all(map(blank, found)):
        raise UserError(f"{path} should have the names of the classes, one a line: it is empty.")
    if (place := next((place for place, name in enumerate(found) if blank(name)), None)) is not None:
        raise UserError(f"{path} has no name in line {place + 1}: the label {place} needs one there.")
    if long := next((name for name in found if len(name) > LONGEST_CLASS), None):
        raise UserError(
            f"{path} has a name of {len(long):,} characters, {clipped(long, 60)!r}; {LONGEST_CLASS} are the most. Write one name a line."
        )
    if twice := next((name for name, count in Counter(found).items() if count > 1), None):
        raise UserError(f"{path} names the class {clipped(twice, 80)!r} twice: every line must be another name.")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; where a key is in it twice, the last would win without a word."""
    if twice := [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]:
        raise _Twice(twice[0])
    return dict(pairs)


class _Twice(Exception):
    """A key that a JSON object has twice."""


def _in_json(path: Path, text: str) -> list[str]:
    try:
        found: Any = json.loads(text, object_pairs_hook=_pairs)
    except _Twice as error:
        raise UserError(
            f"{path} has {clipped(str(error), 80)!r} twice: each number and each name should be there once."
        ) from None
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
