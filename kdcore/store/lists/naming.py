"""Names of runs, made from what differs: for lists, charts, exports and the command line.

quick, quick               ->  kd 0, kd 0.9
sweep: lr 0.01, seed 0     ->  lr 0.01, where all compared runs are of the sweep and have seed 0
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence

from kdcore.recipe import settings
from kdcore.store.state import RunState

PARTS = re.compile(r"(?<=[,:]) ")
MOST_SETTINGS = 4  # in a name


def compared(runs: Sequence[RunState]) -> list[str]:
    """How the runs of a comparison are called: what all have in common is left out."""
    names = [run.name for run in runs]
    if len(set(names)) == 1 and len(runs) > 1:
        return _apart(runs, [""] * len(runs))
    return _apart(runs, _without_shared(names))


def listed(runs: Sequence[RunState]) -> list[str]:
    """How the runs of a list are called: `quick, kd 0.9` where several are called quick; what differs comes first in the
    long names of a study, `lr 0.01, seed 0 · sweep`."""
    studies = Counter(_study(run) for run in runs)
    names = [_turned(run) if studies[_study(run)] > 1 else run.name for run in runs]
    return _apart(runs, names)


def _study(run: RunState) -> str:
    """The part before the colon of a name that a study gave; empty where a user gave the name."""
    return run.name.partition(": ")[0] if ": " in run.name and not run.label.name else ""


def _turned(run: RunState) -> str:
    study = _study(run)
    return f"{run.name.removeprefix(study + ': ')} · {study}" if study else run.name


def _without_shared(names: list[str]) -> list[str]:
    """Names without the parts that all of them have; as they are where one of them would be empty."""
    parts = [[part.rstrip(",:") for part in PARTS.split(name)] for name in names]
    shared = set.intersection(*map(set, parts)) if len(parts) > 1 else set()
    left = [", ".join(part for part in each if part not in shared) for each in parts]
    return left if shared and all(left) else names


def _apart(runs: Sequence[RunState], names: list[str]) -> list[str]:
    """Equal names with the settings in which their runs differ, then with their times, then with the end of their ids."""
    found = list(names)
    for also in (_settings, _times, _ids):
        equal: dict[str, list[int]] = {}
        for place, name in enumerate(found):
            equal.setdefault(name, []).append(place)
        for name, places in equal.items():
            if len(places) == 1 and name:
                continue
            for place, words in zip(places, also([runs[place] for place in places]), strict=True):
                found[place] = ", ".join(filter(None, (name, words)))
    return [name or run.name for name, run in zip(found, runs, strict=True)]


def _settings(runs: Sequence[RunState]) -> list[str]:
    """The settings that tell these runs apart, as few as possible; what all have or some cannot have is left out."""
    known = [run.settings for run in runs]
    chosen: list[list[str]] = [[] for _ in runs]
    apart = 1
    for key, values in settings.differing(known).items():
        if any(value is None for value in values) and key.startswith(("terms.", "teacher.", "twin.", "data.path")):
            continue
        words = [settings.phrase(key, value) for value in values]
        tried = [[*before, word] for before, word in zip(chosen, words, strict=True)]
        if (now := len({tuple(each) for each in tried})) > apart:
            chosen, apart = tried, now
        if apart == len(runs) or len(chosen[0]) == MOST_SETTINGS:
            break
    return [", ".join(each) for each in chosen]


def _times(runs: Sequence[RunState]) -> list[str]:
    if len(runs) == 1:
        return [""]
    return _first_that_differs(runs, ("%H:%M", "%-d %b %H:%M", "%-d %b %Y %H:%M:%S"))


def _first_that_differs(runs: Sequence[RunState], formats: Sequence[str]) -> list[str]:
    words: list[str] = []
    for wanted in formats:
        words = [_time(run.created, wanted) for run in runs]
        if len(set(words)) == len(words) and (
            wanted != "%H:%M" or len({_time(run.created, "%x") for run in runs}) == 1
        ):
            break
    return words


def _time(stamp: float, wanted: str) -> str:
    then = time.localtime(stamp)
    return time.strftime(wanted.replace("%-d", str(then.tm_mday)), then)


def _ids(runs: Sequence[RunState]) -> list[str]:
    return [run.id[-4:] for run in runs] if len(runs) > 1 else [""]


def of(runs: Sequence[RunState], how: Callable[[Sequence[RunState]], list[str]] = listed) -> dict[str, str]:
    """Run id -> name."""
    return dict(zip((run.id for run in runs), how(runs), strict=True))
