"""Where plugins come from: files and folders in KD_PLUGINS, which --plugin adds to, and entry points of installed packages.

Both are decided by whoever starts the process. No recipe, run, weight file or request can name a plugin's file, and files in the
folders of runs and data, where the app stores what it is sent, are refused.
"""

import logging
import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from kdcore import paths
from kdcore.errors import UserError, in_words, shortened

VARIABLE = "KD_PLUGINS"  # files and folders, separated as in PATH
GROUP = "kdcore.plugins"  # of entry points: NAME = "package.module"
_LOG = logging.getLogger("kdcore")


@dataclass(frozen=True)
class Source:
    """One place with one or several plugins.

    text: as it was given: a path, or the module of an entry point.
    package: name and version of the installed package that has it; empty for a path.
    """

    text: str
    package: str = ""


def sources() -> tuple[Source, ...]:
    """All places, in the order given; installed packages last."""
    given = (Source(text) for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text)
    return tuple(dict.fromkeys((*given, *_installed(tuple(sys.path)))))


def absolute(path: str | Path) -> Path:
    """A plugin's path without links, checked.

    Raises:
        UserError: there is no such file or folder, it is no Python file, or it is where the app stores what it is sent.
    """
    try:
        found = paths.given(path).resolve()
    except (OSError, RuntimeError, ValueError):  # longer than a path can be, a circular link, a zero byte
        found = paths.given(path)
    if not os.path.exists(found):
        raise UserError(
            f"There is no file or folder {shortened(str(path))}. Give the path of a .py file or of a folder of them."
        )
    if found.is_file() and found.suffix != ".py":
        raise UserError(f"{shortened(str(path))} is no Python file: a plugin is a .py file, or a folder of them.")
    if not found.is_file() and not found.is_dir():
        raise UserError(f"{shortened(str(path))} is no plain file: a plugin is a .py file, or a folder of them.")
    if os.pathsep in str(found):
        raise UserError(
            f"{shortened(str(path))} has a {os.pathsep!r} in its path, which separates plugins: rename the folder."
        )
    if name := stored_in(found):
        raise UserError(
            f"{shortened(str(path))} is in the folder of {name}, where the app stores what it is sent, so no code is loaded "
            "from there: move it elsewhere."
        )
    return found


def stored_in(path: Path) -> str:
    """The variable of the folder in which the app stores what it is sent, where a path without links is in it; else empty."""
    folders = {"KD_RUNS": paths.runs_folder(), "KD_DATA": paths.data_folder()}
    return next((name for name, folder in folders.items() if path.is_relative_to(folder)), "")


def add(path: str | Path) -> Path:
    """Add a file or folder for this process and those that it starts; returns its absolute path. Raises UserError."""
    found = absolute(path)
    before = [each for each in os.environ.get(VARIABLE, "").split(os.pathsep) if each]
    if str(found) not in before:
        os.environ[VARIABLE] = os.pathsep.join([*before, str(found)])
    return found


@lru_cache(maxsize=4)
def _installed(path: tuple[str, ...]) -> tuple[Source, ...]:
    """The entry points of the packages on `sys.path`, which is searched once; of two with one module the first."""
    found: dict[str, Source] = {}
    for package in metadata.distributions():
        try:
            points = [each.value for each in package.entry_points if each.group == GROUP]
            name = f"{package.name} {package.version}" if points else ""
        except Exception as error:  # a listing that was damaged: each version of Python raises another
            reason = in_words(error)
            _LOG.warning(
                "A package in %s has entry points that cannot be read (%s). Install it again.", package, reason
            )
            continue
        for point in points:
            found.setdefault(point, Source(point, name))
    return tuple(found[point] for point in sorted(found))
