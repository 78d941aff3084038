"""The table of `deploy` as plain data, stored with its run; without torch."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter

from kdcore.files import reading

MOST_BYTES = 1 << 20
Text = Annotated[str, Field(max_length=4000)]
Count = Annotated[int, Field(ge=0, le=10**15)]
Share = Annotated[float, Field(ge=0, le=1)]


def _has_quantiles(taken: dict[str, float]) -> dict[str, float]:
    if not {"median", "p95"} <= taken.keys():
        raise ValueError("median and p95 are missing")
    return taken


Latency = Annotated[dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]], AfterValidator(_has_quantiles)]
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

    name: Text
    top1: Share | None
    low: Share | None
    high: Share | None
    file_bytes: Count
    parameters: Count
    macs: Count
    latency: dict[str, dict[str, Latency]] = field(default_factory=dict)
    memory: Annotated[int, Field(ge=-(10**15), le=10**15)] | None = None
    against: Text = ""


@dataclass(frozen=True)
class Table:
    """rows: teacher, student, twin, student in INT8, and further networks. images: test images measured on."""

    run: Text
    rows: Annotated[tuple[Row, ...], Field(min_length=1, max_length=200)]
    images: Count
    threads: Count
    cpu: Text
    gpu: Text
    onnxruntime: Text
    date: Text
    notes: Annotated[tuple[Text, ...], Field(max_length=200)] = ()

    def plain(self) -> dict[str, Any]:
        return asdict(self)


_TABLE = TypeAdapter(Table)


def read(folder: Path) -> dict[str, Any] | None:
    """The table in a run's folder as plain data; None where there is none, or one that this version did not write."""
    try:
        table = _TABLE.validate_python(json.loads(reading.read_whole(folder / FILE, MOST_BYTES)))
    except (OSError, ValueError, RecursionError):
        return None
    measured = all((row.top1 is None) == (row.low is None) == (row.high is None) for row in table.rows)
    return table.plain() if measured else None
