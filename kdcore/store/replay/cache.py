"""Cached replays of events, beside them, so that thousands of runs are listed in a second.

    runs/<id>/folded.json     the state of a run that has ended
    runs/<id>/folded.npz      the replay of a long run up to some byte; newer events are read from there

Both depend on the events alone. A cache that does not match the events, is from another version of this code, or is damaged
is ignored and made again; deleting it loses nothing.
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
from kdcore.recipe.settings import defaults
from kdcore.store.run_files import arrays as stored
from kdcore.store.state import RunState

Mark = tuple[int, int]  # size in bytes and time of writing of events.jsonl
TAIL = 4096  # bytes before the offset, whose checksum identifies the events
MOST_BYTES = 16 << 20  # of a cached state
CODE = (
    "replay.py",
    "history.py",
    "series.py",
    "checking.py",
    "lines.py",
    "columns.py",
    "adjustments.py",
    "pace.py",
    "cache.py",
    "../state.py",
)  # what decides a replay
STATE = ', "state": '  # separates the header from the state in the file
LABELLED = ("label", "original_name")  # come from another file
TUPLES = (
    "classes", "probes", "checkpoints", "layer_weights", "gradients", "adaptations", "notes", "knob_changes", "robustness",
)  # fmt: skip


def mark(folder: Path) -> Mark:
    """Changes with each new event; (0, 0) where there are none yet. Raises OSError where they cannot be read."""
    try:
        found = regular(f"{folder}/events.jsonl")
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def write_state(folder: Path, seen: Mark, state: RunState) -> None:
    text = json.dumps({name: value for name, value in vars(state).items() if name not in LABELLED})
    head = {"version": version(), "size": seen[0], "written": seen[1], "check": zlib.crc32(text.encode())}
    with suppress(OSError):  # read-only, or full: it is made again next time
        atomic.write_text(folder / "folded.json", f"{json.dumps(head)[:-1]}{STATE}{text}}}", durable=False)


def read_state(folder: Path, seen: Mark) -> RunState | None:
    """The cached state, if it is of these events."""
    try:
        content = read_whole(f"{folder}/folded.json", MOST_BYTES)
        plain = json.loads(content)
        if (plain["version"], plain["size"], plain["written"]) != (version(), *seen):
            return None
        if plain["check"] != zlib.crc32(content.partition(STATE.encode())[2][:-1]):
            return None
        state = plain["state"]
        if state["id"] != folder.name:  # in a copied folder
            return None
        return RunState(**state | {name: tuple(state[name]) for name in TUPLES})
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def write_replay(
    folder: Path, offset: int, plain: dict[str, Any], columns: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    """Cache a replay: its plain part and its columns (steps, values). Columns with the same steps share them."""
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


def read_replay(folder: Path) -> tuple[int, dict[str, Any], dict[str, tuple[np.ndarray, np.ndarray]]] | None:
    """Offset, plain part and columns of the cached replay, if it is of these events."""
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
    """Changes with the code of the replay, and with the defaults of recipes, which `settings` leaves out."""
    here = Path(__file__).parent
    code = b"".join((here / name).read_bytes() for name in CODE) + json.dumps(defaults()).encode()
    return hashlib.sha256(code).hexdigest()[:10]


def _tail(folder: Path, offset: int) -> int | None:
    """Checksum of the events just before an offset; None where the file is shorter."""
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
