"""Errors that a user can mend, and how values are shown in messages."""

import itertools
import math
import reprlib
from typing import Any


class UserError(ValueError):
    """Something that whoever uses this can mend: the message says what came, what was expected and how to fix it.

    Only these are shown as they are, on pages and in a terminal. Any other exception is a bug.
    """


class _Short(reprlib.Repr):
    """Like the standard library's, but mappings keep their order, and numbers and bytes are short as well."""

    def repr_int(self, value: int, level: int) -> str:
        if value.bit_length() > 128:  # Python refuses to write out more than 4,300 digits
            return f"a number of about {math.ceil(value.bit_length() * math.log10(2)):,} digits"
        return repr(value)

    def repr_bytes(self, value: bytes, level: int) -> str:
        return repr(value[: self.maxstring]) + ("..." if len(value) > self.maxstring else "")

    def repr_dict(self, value: dict[Any, Any], level: int) -> str:
        if value and level <= 0:
            return "{...}"
        first = itertools.islice(value.items(), self.maxdict)
        shown = [f"{self.repr1(key, level - 1)}: {self.repr1(each, level - 1)}" for key, each in first]
        return "{" + ", ".join(shown + ["..."] * (len(value) > self.maxdict)) + "}"


_SHORT = _Short()
_SHORT.maxstring, _SHORT.maxother, _SHORT.maxlevel = 80, 80, 4


def shortened(value: Any, most: int = 200) -> str:
    """A value as Python writes it, with the middle of long texts, and all but the first of many entries, left out."""
    return clipped(_SHORT.repr(value), most)


def clipped(text: str, most: int = 200) -> str:
    """A text as it is, or its beginning and its end where it has more than `most` characters."""
    if len(text) <= most:
        return text
    kept = (most - 3) // 2
    return f"{text[:kept]}...{text[-kept:]}"
