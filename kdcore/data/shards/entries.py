"""The entries of a shard: the key and ending of each, and the label that one holds."""

import json
import os
import re
import unicodedata
from typing import Any, NamedTuple

from kdcore.data.shards import tar
from kdcore.errors import blank, visible

JSON_KEYS = ("cls", "label", "class", "class_name", "target")  # of a .json, the first that is there
MOST_LABEL_BYTES = 65_536
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_MOST = 10**9  # numbers of classes are below it


class Label(NamedTuple):
    """text: a name in composed form (NFC), or a whole number without leading zeros. written: as it stands in the shard."""

    text: str
    written: str


def split(name: str) -> tuple[str, str]:
    """The key of an entry, and what follows its first dot, in small letters."""
    folder, slash, base = name.rpartition("/")
    stem, _, ending = base.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()


def label(file: int, entry: tar.Entry) -> Label | None:
    """A label: a name, or a whole number from 0; None where it is neither.

    Text is a number where it is written as a whole one, in ASCII digits: `1e5`, `1.0` and `nan` are names, as ids may look so. A
    number in JSON may have a point: 1.0 is the label 1.
    """
    if not 0 < entry.size <= MOST_LABEL_BYTES:
        return None
    raw = os.pread(file, entry.size, entry.offset)
    try:
        written: Any = raw.decode("utf-8-sig")
        if entry.name.lower().endswith(".json"):
            plain = json.loads(written, object_pairs_hook=_once)
            written = (
                next((plain[key] for key in JSON_KEYS if plain.get(key) is not None), None)
                if isinstance(plain, dict)
                else plain
            )
        if isinstance(written, str):
            found = unicodedata.normalize("NFC", written.strip())
            text = _number(int(found)) if _WHOLE.fullmatch(found) else _name(found)
            return Label(text, written.strip()) if text is not None else None
    except (ValueError, RecursionError):  # the former also of thousands of digits
        return None
    if isinstance(written, bool) or not isinstance(written, int | float):
        return None
    text = _number(written)
    return Label(text, text) if text is not None else None


def is_number(label: str) -> bool:
    """Whether the text of a label is a number."""
    return bool(_WHOLE.fullmatch(label))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises ValueError where it has a key twice: either value may be meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key that is there twice")
    return found


def _number(number: int | float) -> str | None:
    return str(int(number)) if 0 <= number < _MOST and number == int(number) else None


def _name(found: str) -> str | None:
    return found if len(found) <= 255 and not blank(found) and visible(found) == found else None
