"""The entries of a shard: the key and ending of each, and the label that one holds."""

import json
import os
import re
import unicodedata
from typing import Any

from kdcore.data.shards import tar

JSON_KEYS = ("cls", "label", "class", "class_name", "target")  # of a .json, the first that is there
MOST_LABEL_BYTES = 65_536
_NUMBER = re.compile(
    r"[+-]?((\d{1,20}\.?\d{0,20}|\.\d{1,20})(e[+-]?\d{1,4})?|nan|inf(inity)?)", re.ASCII | re.IGNORECASE
)


def split(name: str) -> tuple[str, str]:
    """The key of an entry, and what follows its first dot, in small letters."""
    folder, slash, base = name.rpartition("/")
    stem, _, ending = base.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()


def label(file: int, entry: tar.Entry) -> str | None:
    """A label as text: a name, or a whole number from 0, also one that is written as `1.0`; None where it is neither."""
    if not 0 < entry.size <= MOST_LABEL_BYTES:
        return None
    raw = os.pread(file, entry.size, entry.offset)
    try:
        written: Any = raw.decode("utf-8-sig")
        if entry.name.lower().endswith(".json"):
            plain = json.loads(written)
            written = (
                next((plain[key] for key in JSON_KEYS if key in plain), None) if isinstance(plain, dict) else plain
            )
        if isinstance(written, bool) or not isinstance(written, int | float | str):
            return None
        found = unicodedata.normalize("NFC", str(written).strip())
    except (ValueError, RecursionError):  # a number of thousands of digits cannot be written out either
        return None
    if found.isdecimal():
        return str(int(found)) if len(found) <= 9 else None
    if _NUMBER.fullmatch(found):
        return _whole(float(found))
    return found if 0 < len(found) <= 255 and found.isprintable() else None


def _whole(number: float) -> str | None:
    return str(int(number)) if 0 <= number < 1e9 and number.is_integer() else None
