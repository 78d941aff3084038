"""Imports weights in a process of its own, which is killed when it takes too long: for files that others may have made."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from kdcore.errors import UserError
from kdcore.models.importing import NotGiven
from kdcore.runtime import apart

COMMAND = (sys.executable, "-m", "kdcore.models.importing.process")
LONGEST_LOG = 4000  # characters of what it wrote to stderr
SECONDS = 600.0  # of wall time: a busy machine takes a minute to load the libraries


@dataclass(frozen=True)
class Imported:
    """What was imported. model: its network. classes: their number, 0 without a classifier. notes: choices that were made."""

    model: str
    classes: int
    image_size: int
    notes: tuple[str, ...]


def import_weights(
    sources: Sequence[Path],
    out: Path,
    *,
    model: str | None = None,
    classes: Sequence[str] | None = None,
    image_size: int | None = None,
    command: Sequence[str] = COMMAND,
    seconds: float = SECONDS,
) -> Imported:
    """As `importing.import_weights`, in another process.

    Raises:
        NotGiven: the files do not name the model, or the classes, and neither was given.
        UserError: as `importing.import_weights`; or the import took too long, or needed too much memory.
    """
    request = {
        "sources": [str(source.absolute()) for source in sources], "out": str(out.absolute()), "model": model,
        "classes": None if classes is None else list(classes), "image_size": image_size,
    }  # fmt: skip
    done = apart.run(
        command, what="The import", seconds=seconds, instead=_in_a_terminal(sources), given=json.dumps(request)
    )
    return _read(done, sources)


def _read(done: "CompletedProcess[str]", sources: Sequence[Path]) -> Imported:
    """The reply. Raises ChildProcessError, with its traceback, where the process failed by a bug."""
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        if done.returncode > 0 and "MemoryError" not in done.stderr:
            raise ChildProcessError(
                f"The import ended with status {done.returncode}:\n{done.stderr[-LONGEST_LOG:]}"
            ) from None
        # killed, by its limits or for lack of memory
        raise UserError(
            f"The import was stopped before its end, as for lack of memory or time. {_in_a_terminal(sources)}"
        ) from None
    if "lacks" in found:
        raise NotGiven(found["refused"], found["lacks"], found["outputs"])
    if "refused" in found:
        raise UserError(found["refused"])
    return Imported(found["name"], found["classes"], found["image_size"], tuple(found["notes"]))


def _in_a_terminal(sources: Sequence[Path]) -> str:
    return f"In a terminal: python -m kdcore import-weights {' '.join(source.name for source in sources)} --out NAME.safetensors"
