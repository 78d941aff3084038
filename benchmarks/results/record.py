"""What was measured: the results of each table's runs, with the code they belong to, in measured.json.

Of the test images only whether each network is right on them is stored, a bit an image.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kdcore.files import atomic
from kdcore.results.comparison import Outcome, Results

FILE = Path(__file__).with_name("measured.json")


@dataclass(frozen=True)
class RunRecord:
    """One run.

    validation: network -> accuracy on the validation images at the end.
    parameters: as in RunStarted: teacher, student, training_only.
    right: network -> which of the test images it predicts rightly, as base64 of packed bits.
    """

    variant: str
    seed: int
    results: Results
    validation: dict[str, float] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    right: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """A table's runs, and where they belong.

    parts: of `fingerprint.of`, when the runs were started.
    """

    revision: str
    date: str
    machine: str
    parts: dict[str, str]
    runs: tuple[RunRecord, ...]

    def variants(self) -> dict[str, list[RunRecord]]:
        """Variant -> its runs, by seed."""
        found: dict[str, list[RunRecord]] = {}
        for run in self.runs:
            found.setdefault(run.variant, []).append(run)
        return found


def packed(predictions: Mapping[str, np.ndarray] | None) -> dict[str, str]:
    """From the store's predictions of a run."""
    if predictions is None:
        return {}
    right = {name: found == predictions["targets"] for name, found in predictions.items() if name != "targets"}
    return {name: base64.b64encode(np.packbits(hits).tobytes()).decode() for name, hits in right.items()}


def outcome(run: RunRecord) -> Outcome:
    """For a comparison. Classes are not stored, so 0 stands for an image's class and 1 for any other."""
    count = int(run.results["student"]["count"])
    bits = {name: np.frombuffer(base64.b64decode(text), np.uint8) for name, text in run.right.items()}
    wrong = {name: 1 - np.unpackbits(each, count=count) for name, each in bits.items()}
    return Outcome(run.results, run.seed, {"targets": np.zeros(count, np.uint8), **wrong} if wrong else None)


def read(path: Path = FILE) -> dict[str, Measured]:
    """Table -> what was measured for it."""
    if not path.is_file():
        return {}
    plain: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return {
        name: Measured(**{**each, "runs": tuple(RunRecord(**run) for run in each["runs"])})
        for name, each in plain.items()
    }


def write(tables: Mapping[str, Measured], path: Path = FILE) -> None:
    """A run a line, so that changes can be read."""
    blocks = []
    for name, each in sorted(tables.items()):
        head = {key: value for key, value in asdict(each).items() if key != "runs"}
        runs = ",\n".join(f"  {json.dumps(asdict(run))}" for run in each.runs)
        blocks.append(f'"{name}": {json.dumps(head)[:-1]}, "runs": [\n{runs}\n]}}')
    atomic.write_text(path, "{\n" + ",\n".join(blocks) + "\n}\n")
