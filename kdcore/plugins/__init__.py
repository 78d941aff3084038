"""Plugins: parts from Python files and installed packages, found by name like this project's own

    KD_PLUGINS=/my/folder python -m kdcore distill quick
    python -m kdcore distill my.yaml --plugin my_loss.py

`sources` has where they come from, `loading` imports and checks them, `part` is what a file holds. The finders of methods, heatmaps,
datasets, test sets and networks ask `parts(kind)` and know nothing else of plugins. Loads without torch; plugins may load it.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from kdcore.errors import UserError
from kdcore.plugins.loading import Plugin, Problem, load
from kdcore.plugins.part import Part, check_types, held, modules
from kdcore.plugins.sources import GROUP, VARIABLE, Source, add, sources

__all__ = [
    "GROUP", "VARIABLE", "Part", "Plugin", "Problem", "check_types", "checksum", "environment", "every", "file_of", "given", "held", "hint", "modules", "names", "parts",
    "problems", "use",
]  # fmt: skip
MOST = 256  # sources that are held loaded

_LOG = logging.getLogger("kdcore")
_lock, _busy = threading.RLock(), False
_load = lru_cache(maxsize=MOST)(load)  # once in a process: a change of a file has no effect until the next start


def parts(kind: str) -> dict[str, Plugin]:
    """The plugins of a kind by their names; the names differ from this project's own."""
    return {each.name: each for each in every() if each.kind == kind}


def names(kind: str) -> list[str]:
    """The names of `parts`."""
    return list(parts(kind))


def every() -> tuple[Plugin, ...]:
    """All plugins that can be used, loaded on the first call; those that cannot are logged then, a sentence each."""
    return tuple(each for each in _found() if isinstance(each, Plugin))


def problems() -> tuple[Problem, ...]:
    """The plugins that are not used, each with its reason."""
    return tuple(each for each in _found() if isinstance(each, Problem))


def file_of(kind: str, name: str) -> str:
    """The name of a plugin's file, without its folder; empty for a part of this project."""
    plugin = parts(kind).get(name)
    return Path(str(plugin.module.__file__)).name if plugin else ""


def checksum(kind: str, name: str) -> str:
    """The checksum of a plugin, for keys of what it makes; empty for a part of this project."""
    plugin = parts(kind).get(name)
    return plugin.sha256 if plugin else ""


def hint(name: str) -> str:
    """The end of a message about an unknown name: why the plugin of this name is not used; empty where there is none."""
    return "".join(f" {each}" for each in problems() if each.name == name)


@contextmanager
def given(files: list[str]) -> Iterator[None]:
    """Within it, these files and folders are plugins too, here and in processes that are started.

    Raises:
        UserError: one of them cannot be used.
    """
    before = os.environ.get(VARIABLE)
    try:
        for file in files:
            use(file)
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


def environment() -> dict[str, str]:
    """The environment variable that a process on another machine needs to have the same plugins; empty without any."""
    given = os.environ.get(VARIABLE, "")
    return {VARIABLE: given} if given else {}


def use(path: str | Path) -> tuple[Plugin, ...]:
    """Add a file or folder of plugins to this process, and to those that it starts. Returns its parts.

    Raises:
        UserError: it does not exist, or one of its parts cannot be used; with file and line.
    """
    before, added = os.environ.get(VARIABLE, ""), add(path)
    if wrong := next((each for each in problems() if Path(each.where).is_relative_to(added)), None):
        os.environ[VARIABLE] = before
        raise UserError(str(wrong))
    return tuple(each for each in every() if Path(each.where).is_relative_to(added))


def _found() -> tuple[Plugin | Problem, ...]:
    global _busy
    with _lock:
        if _busy:  # a plugin that asks while it is imported gets this project's own parts
            return ()
        _busy = True
        try:
            return _all_of(sources())
        finally:
            _busy = False


@lru_cache(maxsize=16)
def _all_of(given: tuple[Source, ...]) -> tuple[Plugin | Problem, ...]:
    found: dict[tuple[str, str, str], Plugin | Problem] = {}
    first: dict[tuple[str, str], Plugin] = {}
    for each in (one for source in given for one in _load(source)):
        if isinstance(each, Plugin) and (other := first.setdefault((each.kind, each.name), each)).where != each.where:
            reason = f"{other.where} has a {each.kind} {each.name!r} already. Rename one of the two files."
            each = Problem(each.name, each.where, reason)
        found.setdefault((type(each).__name__, each.name, each.where), each)
    for each in found.values():
        if isinstance(each, Problem):
            _LOG.warning("%s", each)
    return tuple(found.values())
