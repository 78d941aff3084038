"""Edited recipes that an address cannot hold: kept in the memory of this process, and opened by a short name in the address."""

import hashlib
import threading
from dataclasses import dataclass

from pages.parts.roles import role

MOST = 100  # of visitors, and as many of the operator; the oldest goes first
LONGEST = 100_000  # characters of a recipe


@dataclass(frozen=True)
class Draft:
    """preset: the name under *Start from*. text: the whole recipe as it was edited, as YAML."""

    preset: str
    text: str


_lock = threading.Lock()
_kept: dict[bool, dict[str, Draft]] = {True: {}, False: {}}  # whether it is the operator's -> name -> draft


def keep(preset: str, text: str) -> str:
    """The name by which it is found again, the same for the same draft; empty where the recipe is too long."""
    if len(text) > LONGEST:
        return ""
    drafts = _kept[role.is_operator()]
    name = hashlib.sha256(f"{preset}\n{text}".encode()).hexdigest()[:16]
    with _lock:
        drafts.pop(name, None)  # the newest is last
        drafts[name] = Draft(preset, text)
        while len(drafts) > MOST:
            del drafts[next(iter(drafts))]
    return name


def find(name: str) -> Draft | None:
    """None where there is none. The operator's, which may name folders of this machine, are opened by operators alone."""
    found = _kept[False].get(name)
    return _kept[True].get(name, found) if role.is_operator() else found
