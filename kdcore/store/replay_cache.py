"""What was folded from a run's events, kept beside them, so that nobody folds them twice.

    runs/<id>/folded.json     the state of a run that is over: a shelf of thousands is looked through in a second
    runs/<id>/folded.npz      the fold of a long run, as far as its events were read; its newer events are read on from there

Both follow from the events alone and say up to which byte. What does not fit the events, or was folded by other code, or
is damaged, is not used and made again; deleting them loses nothing.
"""

import hashlib
import json
import os
import zlib
from contextlib import suppress
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from kdcore.files import atomic
from kdcore.files.reading import read_whole, regular
from kdcore.store import arrays as stored
from kdcore.store.state import RunState

Mark = tuple[int, int]  # size in bytes and time of writing of events.jsonl
TAIL = 4096  # bytes before the place that was read up to, by which the events are known again
MOST_BYTES = 16 << 20  # of a kept state
FOLDING = ("replay.py", "checking.py", "lines.py", "columns.py", "state.py", "replay_cache.py")  # what decides a fold
STATE = ', "state": '  # as it stands in the file, after what says whether it fits
TUPLES = ("classes", "probes", "checkpoints", "layer_weights", "gradients", "adaptations", "notes")


def mark(folder: Path) -> Mark:
    """Differs whenever events were added; (0, 0) where there are none yet. Raises OSError where they cannot be read."""
    try:
        found = regular(f"{folder}/events.jsonl")
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def keep_state(folder: Path, seen: Mark, state: RunState) -> None:
    text = json.dumps(vars(state))
    head = {"version": version(), "size": seen[0], "written": seen[1], "check": zlib.crc32(text.encode())}
    with suppress(OSError):  # read-only, or full: it is made again next time
        atomic.write_text(folder / "folded.json", f"{json.dumps(head)[:-1]}{STATE}{text}}}", durable=False)


def recalled_state(folder: Path, seen: Mark) -> RunState | None:
    """The state that was kept, if the events are still those."""
    try:
        content = read_whole(f"{folder}/folded.json", MOST_BYTES)
        plain = json.loads(content)
        if (plain["version"], plain["size"], plain["written"]) != (version(), *seen):
            return None
        if plain["check"] != zlib.crc32(content.partition(STATE.encode())[2][:-1]):
            return None
        state = plain["state"]
        if state["id"] != folder.name:  # a copied folder
            return None
        return RunState(**state | {name: tuple(state[name]) for name in TUPLES})
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def keep_fold(
    folder: Path, offset: int, plain: dict[str, Any], columns: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    """Keep a fold: its plain part, and its columns (steps, values); columns measured at the same steps share them."""
    arrays: dict[str, Any] = {}
    places: dict[str, list[int]] = {}
    steps_kept: list[np.ndarray] = []
    for number, (name, (steps, values)) in enumerate(columns.items()):
        same = next((i for i, kept in enumerate(steps_kept) if np.array_equal(kept, steps)), len(steps_kept))
        if same == len(steps_kept):
            steps_kept.append(steps)
            arrays[f"steps{same}"] = steps
        arrays[f"values{number}"] = values
        places[name] = [same, number]
    note = {
        "version": version(), "offset": offset, "tail": _tail(folder, offset), "columns": places, "plain": plain,
        "check": _checksum(plain),
    }  # fmt: skip
    arrays["note"] = np.frombuffer(json.dumps(note).encode(), dtype=np.uint8)
    with (
        suppress(OSError),  # read-only, or full: it is made again next time
        atomic.replacing(folder / "folded.npz", durable=False) as temporary,
        temporary.open("wb") as file,
    ):
        np.savez(file, **arrays)


def recalled_fold(folder: Path) -> tuple[int, dict[str, Any], dict[str, tuple[np.ndarray, np.ndarray]]] | None:
    """Offset, plain part and columns of the fold that was kept, if the events up to there are still those."""
    try:
        arrays = stored.read(folder / "folded.npz")
        note = json.loads(arrays["note"].tobytes())
        if note["version"] != version() or note["tail"] != _tail(folder, note["offset"]):
            return None
        if note["check"] != _checksum(note["plain"]):
            return None
        pairs = {name: (arrays[f"steps{same}"], arrays[f"values{n}"]) for name, (same, n) in note["columns"].items()}
        if not all(_is_column(steps, values) for steps, values in pairs.values()):
            return None
        return note["offset"], note["plain"], pairs
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


@cache
def version() -> str:
    """Changes when the folding does."""
    here = Path(__file__).parent
    code = b"".join((here / name).read_bytes() for name in FOLDING)
    return hashlib.sha256(code).hexdigest()[:10]


def _tail(folder: Path, offset: int) -> int | None:
    """Checksum of what stands before a place in the events; None where they do not reach so far."""
    with (folder / "events.jsonl").open("rb") as file:
        if file.seek(0, os.SEEK_END) < offset:
            return None
        file.seek(max(0, offset - TAIL))
        return zlib.crc32(file.read(offset - file.tell()))


def _checksum(plain: Any) -> int:
    return zlib.crc32(json.dumps(plain).encode())


def _is_column(steps: np.ndarray, values: np.ndarray) -> bool:
    return (steps.dtype, values.dtype, steps.ndim) == (np.int64, np.float64, 1) and steps.shape == values.shape


assert set(TUPLES) <= {field.name for field in fields(RunState)}
