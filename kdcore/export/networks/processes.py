"""The commands `export`, `deploy` and `prune` in a process of their own, for the app: without torch here, and ended when they take too long."""

import os
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from kdcore.errors import UserError, visible
from kdcore.export.networks import deploy_table
from kdcore.files import scratch
from kdcore.runtime import apart
from kdcore.store import Store

COMMAND = (sys.executable, "-m", "kdcore")
SECONDS = 900.0  # of wall time
MOST_LICENCE = 60  # characters
MOST_IN_MEMORY = 500 * 2**20  # bytes of a download


@dataclass(frozen=True)
class Exported:
    """A file to download. notes: sentences on what was written, such as its accuracy."""

    name: str
    content: bytes
    notes: tuple[str, ...]


def export(store: Store, run_id: str, network: str, kind: str, licence: str = "unknown") -> Exported:
    """A network of a run as a file, or as a zip file of the folder. Nothing stays on this machine.

    Args:
        network: student, twin or teacher.
        kind: onnx, int8 or hub.

    Raises:
        UserError: as `files.write_*`; it takes too long, or is too large for a download.
    """
    stem = f"{run_id}-{network}{'-int8' if kind == 'int8' else ''}"
    with scratch.folder() as folder:
        out = folder / (stem if kind == "hub" else f"{stem}.onnx")
        words = ["export", f"run:{run_id}/{network}", str(out), "--format", kind]
        printed = _run(store, *words, *((f"--license={visible(licence)[:MOST_LICENCE]}",) if kind == "hub" else ()))
        notes = tuple(line.replace(str(out), out.name) for line in printed.splitlines() if line)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if size > MOST_IN_MEMORY:
            raise UserError(
                f"The export has {size / 2**20:,.0f} MiB, too much for a download. In a terminal: python -m kdcore "
                f"export run:{run_id}/{network} {'FOLDER' if kind == 'hub' else 'FILE.onnx'} --format {kind}"
            )
        if kind == "hub":
            return Exported(f"{stem}.zip", _zipped(out), notes)
        return Exported(out.name, out.read_bytes(), notes)


def deploy(store: Store, run_id: str) -> None:
    """Measure the table of `deploy`, which is then stored with the run. Raises UserError."""
    _run(store, "deploy", run_id, "--json")


def prune(store: Store, reference: str, to: float, score: str, stopped: Callable[[], bool]) -> Path:
    """Prune the student or twin of a run, without fine-tuning; returns the weight file. Raises UserError, also when it is stopped."""
    out = _run(store, "prune", reference, "--to", f"{to:g}", "--score", score, "--epochs", "0", stopped=stopped)
    return Path(out.rpartition("written: ")[2].strip())


def table(store: Store, run_id: str) -> dict[str, Any] | None:
    """The table that was measured last; None where there is none that can be read."""
    return deploy_table.read(store.folder(run_id))


def _run(store: Store, *words: str, stopped: Callable[[], bool] = lambda: False) -> str:
    """What a command prints. Raises UserError with its message where it refuses."""
    done = apart.run(
        [*COMMAND, *words], what="It", seconds=SECONDS, instead=f"In a terminal: python -m kdcore {words[0]} {words[1]}",
        environment={**os.environ, "KD_RUNS": str(store.root), "PYTHONWARNINGS": "ignore"},
        stopped=stopped,
    )  # fmt: skip
    if done.returncode:
        refused = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        raise UserError(
            refused[-1].removeprefix("error: ") if refused else "It was stopped before its end, as for lack of memory."
        )
    return done.stdout


def _zipped(folder: Path) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as zipped:
        for file in sorted(folder.iterdir()):
            zipped.write(file, f"{folder.name}/{file.name}")
    return made.getvalue()
