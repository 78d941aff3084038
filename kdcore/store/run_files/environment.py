"""What a run was computed with: versions, code, device, and checksums of its weights and data, beside its recipe.

`environment.json` is a list: an entry when the run starts, and one more for each resume at which something differs.
"""

import json
import time
from pathlib import Path
from typing import Any

from kdcore.errors import shortened
from kdcore.files import atomic
from kdcore.files.reading import read_whole

NAME = "environment.json"
MOST_BYTES = 1_000_000
WHEN = "time"  # the key that always differs
FILE = " file"  # at the end of a key: where weights are does not matter, their checksum does
CHECKSUM = 40  # characters of the shortest one, a commit's; the first twelve tell two of them apart
Entry = dict[str, Any]


def read(folder: Path) -> list[Entry]:
    """The entries of a run, oldest first; none for runs of earlier versions, and where the file is damaged."""
    try:
        found = json.loads(read_whole(folder / NAME, MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return []
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def test_images(entries: list[Entry]) -> str:
    """The checksum of the test images that a run was measured on at its end; empty where none was stored."""
    found: Any = entries[-1] if entries else None
    for key in ("data", "test", "sha256"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def record(folder: Path, entry: Entry) -> list[str]:
    """Add an entry where it differs from the last one.

    Returns:
        a clause for each difference from the last entry: `torch 2.8.0 before, 2.9.0 now`.

    Raises:
        OSError: it cannot be written.
    """
    before = read(folder)
    differing = differences(before[-1], entry) if before else []
    if not before or differing:
        stamped = {WHEN: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **entry}
        atomic.write_text(folder / NAME, json.dumps([*before, stamped], indent=1, ensure_ascii=False) + "\n")
    return differing


def differences(before: Entry, now: Entry) -> list[str]:
    """The values in which two entries differ, a clause each."""
    old, new = flat(before), flat(now)
    keys = [
        key
        for key in dict.fromkeys((*old, *new))
        if key != WHEN and not key.endswith(FILE) and old.get(key) != new.get(key)
    ]
    return [f"{key} {_short(old.get(key))} before, {_short(new.get(key))} now" for key in keys]


def flat(entry: Entry, before: str = "") -> dict[str, Any]:
    """An entry without nesting: `versions` is left out of names, `teacher weights sha256` is one."""
    found: dict[str, Any] = {}
    for key, value in entry.items():
        name = before if key == "versions" else f"{before} {key}".strip()
        found.update(flat(value, name) if isinstance(value, dict) else {name: value})
    return found


def _short(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else shortened(value)
    return f"{text[:12]}…" if len(text) >= CHECKSUM else text
