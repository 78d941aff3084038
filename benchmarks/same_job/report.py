"""The table and sentences of the job in docs/performance.md."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.same_job import images
from kdcore.results.comparison.crossed import of_images
from kdcore.results.comparison.figure import LEAST_SEEDS, Figure, ends, over_seeds, points

HERE = Path(__file__).parent
SCRIPT, TORCHDISTILL, PROJECT = "plain script", "torchdistill", "this project"
FILES = {  # what a user writes, besides the networks: configuration and code
    SCRIPT: ((), ("plain_script.py",)),
    TORCHDISTILL: (("torchdistill.yaml",), ("torchdistill_run.py",)),
    PROJECT: (("recipe.yaml",), ()),
}


@dataclass(frozen=True)
class Run:
    """A run of a variant. seconds: CPU time of its process with its children; right: which test images it predicts rightly, [n]."""

    variant: str
    seed: int
    seconds: float
    wall: float
    right: np.ndarray

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())


def lines(names: Sequence[str]) -> int:
    """Lines of files without blank lines, comments and docstrings of one line."""
    found = [line.strip() for name in names for line in (HERE / name).read_text(encoding="utf-8").splitlines()]
    return sum(1 for line in found if line and not line.startswith(("#", '"""')))


def text(runs: Sequence[Run], machine: str) -> str:
    """Table and conclusions as Markdown."""
    names = [name for name in FILES if any(run.variant == name for run in runs)]
    of = {name: sorted((run for run in runs if run.variant == name), key=lambda run: run.seed) for name in names}
    seeds = len(of[PROJECT])
    rows = [_row(name, of) for name in names]
    head = [
        "| | lines of configuration | lines of code | CPU s | times as long as this project | accuracy | this project - it |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join(
        [
            f"{seeds} random seeds, {images.TRAIN:,} training and {images.TEST:,} test images. CPU seconds: mean over the seeds; "
            "ratios within a seed: median (min to max). Accuracy: mean over the seeds with its 95 % interval (Student's t); "
            "differences in percentage points with the 95 % interval of "
            f"[seeds and images together](reliability.md#claims). {machine}.",
            "",
            *head,
            *rows,
        ]
    )


def _row(name: str, of: dict[str, list[Run]]) -> str:
    own, runs = of[PROJECT], of[name]
    configuration, code = FILES[name]
    accuracy = over_seeds([run.accuracy for run in runs])
    ratios = [run.seconds / other.seconds for run, other in zip(runs, own, strict=True)]
    slower = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if name != PROJECT else ""
    cells = [
        name,
        str(lines(configuration)) if configuration else "",
        str(lines(code)) if code else "",
        f"{statistics.fmean(run.seconds for run in runs):.1f}",
        slower,
        f"{100 * accuracy.mean:.1f} % ({100 * accuracy.low:.1f} to {100 * accuracy.high:.1f})"
        if accuracy.bounded
        else f"{100 * accuracy.mean:.1f} %",
        _difference(own, runs) if name != PROJECT else "",
    ]
    return f"| {' | '.join(cells)} |"


def _difference(own: Sequence[Run], others: Sequence[Run]) -> str:
    """Accuracy of this project less another's, with its interval where there are enough seeds."""
    difference = np.stack([run.right.astype(float) - other.right for run, other in zip(own, others, strict=True)])
    if len(own) < LEAST_SEEDS:
        return points(float(difference.mean()))
    found = of_images(difference)
    return f"{points(found.mean)} ({ends(Figure(found.mean, *found.interval()))})"
