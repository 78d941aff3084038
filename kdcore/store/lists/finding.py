"""Finds runs in a list: by words, by what they are, by when they were created, and which of them are archived."""

import time
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from kdcore.recipe import settings
from kdcore.store.state import RunState

FIELDS = ("status", "method", "teacher", "student", "dataset", "tag")
Archived = Literal["hide", "show", "only"]


@dataclass(frozen=True)
class Wanted:
    """What runs are to be listed.

    words: each must occur in a run's name, id, note, tags or settings; `kd=0.9` finds a setting by the end of its name.
    fields: field -> the accepted values, of which a run needs one.
    since, until: days on which a run was created, both included.
    """

    words: str = ""
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    since: date | None = None
    until: date | None = None
    archived: Archived = "hide"

    @property
    def all(self) -> bool:
        """Whether nothing is left out but archived runs."""
        return not (
            self.words.strip() or any(self.fields.values()) or self.since or self.until or self.archived == "only"
        )


def find(runs: Sequence[RunState], wanted: Wanted) -> list[RunState]:
    """The runs that are wanted, pinned ones first, else in their order."""
    words = unicodedata.normalize("NFC", wanted.words.casefold()).split()
    accepted = {name: set(values) for name, values in wanted.fields.items() if values}
    start = time.mktime(wanted.since.timetuple()) if wanted.since else None
    end = (
        time.mktime((*wanted.until.timetuple()[:2], wanted.until.day + 1, 0, 0, 0, 0, 0, -1)) if wanted.until else None
    )
    found = []
    for run in runs:
        if wanted.archived != "show" and run.label.archived != (wanted.archived == "only"):
            continue
        if (start is not None and run.created < start) or (end is not None and run.created >= end):
            continue
        if accepted and not all(values.intersection(of(run, name)) for name, values in accepted.items()):
            continue
        if words and not _has(text(run), words):
            continue
        found.append(run)
    return [run for run in found if run.label.pinned] + [run for run in found if not run.label.pinned]


def _has(there: str, words: Sequence[str]) -> bool:
    return all(word in there for word in words)


def of(run: RunState, name: str) -> tuple[str, ...]:
    """What a run has of a field, such as its methods."""
    known = run.settings
    match name:
        case "status":
            return (run.status,)
        case "tag":
            return run.label.tags
        case _ if not known:
            return ()
        case "method":
            return tuple(dict.fromkeys(known.get(f"terms.{term}.method", term) for term in known["terms"]))
        case "dataset":
            return (known.get("data.name", settings.defaults()["data.name"]),)
    return (known.get(f"{name}.model") or settings.network(known, name) or settings.ABSENT,)


def values(runs: Sequence[RunState]) -> dict[str, dict[str, int]]:
    """Field -> each value that occurs in it, with the number of runs, the most frequent first."""
    counted: dict[str, Counter[str]] = {name: Counter() for name in FIELDS}
    for run in runs:
        for name, counts in counted.items():
            counts.update(of(run, name))
    return {name: dict(counts.most_common()) for name, counts in counted.items()}


def text(run: RunState) -> str:
    """All that words are searched in, in lower case. Parts are apart, so that no word is found across two."""
    parts = [run.name, run.original_name, run.id, run.label.note, *run.label.tags, run.status]
    parts += [f"{key}={_plain(value)}" for key, value in run.settings.items()]
    return unicodedata.normalize("NFC", "\n".join(filter(None, parts)).casefold())


def _plain(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
