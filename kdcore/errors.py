"""Errors: the tree of those that a user can fix, logging of all others, and how values are shown in messages.

    UserError
        RecipeError     a recipe or study
        NotHere         weights or images that are not on this machine
        DamagedRun      files of a run
        NotFinite       a loss, weights or outputs of a network that are infinite or not a number
        NotDefined      a heatmap for this network
        EmptyMap        a heatmap that came out empty
        BadPhoto        an upload
            Busy        too many uploads at once
        NotAllowed      an action that is the operator's, or a file outside the allowed folders

A UserError is shown as it is, on pages, in a terminal and as the reason why a run failed. Any other exception is a bug: `shown`
logs its traceback and gives the sentence to show instead.
"""

import itertools
import logging
import math
import re
import reprlib
import secrets
import unicodedata
from typing import Any

PLUGIN = "__plugin__"  # the name in a plugin's module that holds the name of its file
_LOG = logging.getLogger("kdcore")
# control characters, marks that turn the direction of what follows, and halves of surrogate pairs, which UTF-8 does not have
_ACTING = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_LINE, _IN_LINES = re.compile(f"[\t\n{_ACTING}]"), re.compile(f"[{_ACTING}]")


class UserError(ValueError):
    """Something that the user can fix. The message states what came, what was expected and how to fix it."""


class RecipeError(UserError):
    """A recipe that cannot be used; the message names the key, the reason and what would be accepted."""


class NotHere(UserError):
    """Weights or images that are not on this machine and may not be downloaded now; the message states when they are."""


class DamagedRun(UserError):
    """A run whose files cannot be read; the message names the file and the reason."""


class NotFinite(UserError):
    """A loss that is no longer finite, or a network whose weights or outputs are not; the message states what to try."""


class NotDefined(UserError):
    """A heatmap that this network does not have; the message gives the reason."""


class EmptyMap(UserError):
    """A heatmap that came out empty, constant or not finite; the message names it and the reason."""


class BadPhoto(UserError):
    """A file that cannot be used as a photo; the message gives the reason."""


class Busy(BadPhoto):
    """Too many photos are being decoded; the same file may be accepted a moment later."""


class NotAllowed(UserError):
    """An action that only the operator may take, or a file outside the allowed folders; the message states how to get it."""


class OverQuota(NotAllowed):
    """A visitor has used the computing of this minute; the same is allowed a moment later."""


def log_bug(error: BaseException) -> str:
    """Log an exception with its traceback, as an error of the logger `kdcore`; returns the number that finds it there."""
    number = secrets.token_hex(3)
    _LOG.error("Bug %s: %s", number, type(error).__name__, exc_info=error)
    return number


def shown(error: BaseException) -> str:
    """What a user reads of an exception: a UserError's message; of a bug, which is logged, one sentence with its number.

    Of a bug in a plugin, its file and line and what was raised.
    """
    if isinstance(error, UserError):
        return str(error)
    what = _in_a_plugin(error) or "Something went wrong here."
    return f"{what} The log has the details under {log_bug(error)}."


def _in_a_plugin(error: BaseException) -> str:
    """Where in a plugin an exception was raised or passed through, as a sentence; empty where it was in none."""
    where, trace = "", error.__traceback__
    while trace:
        if name := trace.tb_frame.f_globals.get(PLUGIN):
            where = f"The plugin {name} failed in line {trace.tb_lineno}"
        trace = trace.tb_next
    return where and f"{where}: {in_words(error).rstrip('.')}."


def in_words(error: BaseException) -> str:
    """An exception's kind and message in one line, without what acts on a terminal; its kind alone where its message cannot be read."""
    try:
        message = visible(" ".join(str(error).split()))
    except KeyboardInterrupt:
        raise
    except BaseException:  # of a class that a plugin defines
        message = ""
    return f"{type(error).__name__}: {clipped(message)}" if message else type(error).__name__


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


def visible(text: str, *, lines: bool = False) -> str:
    """A text from outside with a space for each character that acts on a terminal or that no browser takes.

    lines: it may have several lines, and tabs.
    """
    return _IN_LINES.sub(" ", text.replace("\r\n", "\n")) if lines else _IN_LINE.sub(" ", text)


def appearance(name: str) -> str:
    """What names have in common that are taken for one another, by people or by file systems: all but capitals, blanks, characters
    without width, and whether an umlaut is one character or two."""
    composed = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return "".join(each for each in composed if unicodedata.category(each) != "Cf" and not each.isspace())


def blank(text: str) -> bool:
    """Whether nothing of a text would be seen: spaces alone, or characters without width."""
    return not any(each.isprintable() and not each.isspace() for each in text)
