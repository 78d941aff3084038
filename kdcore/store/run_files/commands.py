"""Commands to a run that another process trains: files in the run's folder, which that process follows between two steps."""

import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kdcore.errors import UserError
from kdcore.files import atomic, reading

FOLDER = "commands"
SUFFIX = ".json"
MOST_BYTES = 10_000
MOST = 200  # that wait: a process that follows none has ended, or is of an earlier version


class Command(NamedTuple):
    """What a user of another process wants: the name of a command and its arguments, plain data that nobody has checked."""

    name: str
    arguments: dict[str, Any]


def send(folder: Path, name: str, arguments: Mapping[str, Any]) -> None:
    """Leave a command in a run's folder.

    Raises:
        UserError: the commands before it were not followed.
        OSError: the folder cannot be written to.
    """
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    if len(_waiting(place)) >= MOST:
        raise UserError(
            f"The process that trains run {folder.name} has followed none of the last {MOST} commands: look at it there. It may be of "
            "an earlier version, or see another folder."
        )
    path = place / f"{time.time_ns():020}-{secrets.token_hex(4)}{SUFFIX}"
    atomic.write_text(path, json.dumps({"command": name, "arguments": dict(arguments)}), durable=False)


def take(folder: Path) -> list[Command]:
    """The commands that wait in a run's folder, in their order; each is given once. What is no command is removed."""
    place, found = folder / FOLDER, []
    for name in _waiting(place):
        try:
            plain = json.loads(reading.read_whole(place / name, MOST_BYTES))
            os.unlink(place / name)
            found.append(Command(str(plain["command"]), dict(plain["arguments"])))
        except (OSError, KeyError, TypeError, ValueError, RecursionError):
            _remove(place / name)  # where that fails too, it was not followed, and is not the next time
    return found


def clear(folder: Path) -> None:
    """Remove commands that were meant for a process that has ended."""
    for name in _waiting(folder / FOLDER):
        _remove(folder / FOLDER / name)


def _waiting(place: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(place) if name.endswith(SUFFIX) and not name.startswith("."))
    except OSError:  # none was ever sent, or the drive is gone, which others report
        return []


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
