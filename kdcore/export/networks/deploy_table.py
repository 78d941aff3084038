"""The table of `deploy` as plain data, stored with its run; without torch."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FILE = "deploy.json"  # in a run's folder, what was measured last


@dataclass(frozen=True)
class Row:
    """A network in one form. What could not be measured is None, and a reason is in the table's notes.

    top1, low, high: accuracy on the test images with its 95 % interval, as fractions.
    macs: multiplications with an addition, of one image; the same in INT8.
    latency: device -> size of batch -> runs, median and p95 in milliseconds.
    memory: bytes, see `latency`.
    against: what may be claimed of its difference to the student in float32.
    """

    name: str
    top1: float | None
    low: float | None
    high: float | None
    file_bytes: int
    parameters: int
    macs: int
    latency: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    memory: int | None = None
    against: str = ""


@dataclass(frozen=True)
class Table:
    """rows: teacher, student, twin, student in INT8, and further networks. images: test images measured on."""

    run: str
    rows: tuple[Row, ...]
    images: int
    threads: int
    cpu: str
    gpu: str
    onnxruntime: str
    date: str
    notes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def read(folder: Path) -> dict[str, Any] | None:
    """The table in a run's folder as plain data; None where there is none, or none of this version."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        table = Table(**{**found, "rows": tuple(Row(**row) for row in found["rows"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return table.plain()
