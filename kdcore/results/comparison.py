"""Does the teacher help, and how sure is that? A run's results, or those of several seeds, as figures and a sentence.

What a run wrote stays as it is; here it is only read. Fractions; intervals of 95 %.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from scipy.special import stdtrit

NETWORKS = ("student", "twin", "teacher")
TWO_CLASSES = ("auroc", "sensitivity", "specificity")
METRICS = (
    "top1",
    *TWO_CLASSES,
    "nll",
    "ece",
)  # of a network's results, where present; all but nll are shares
SIGNIFICANT = 0.05
MINUS = "−"
Kind = Literal["helps", "harms", "same", "unknown"]
Results = dict[str, dict[str, float]]  # as in RunFinished


@dataclass(frozen=True)
class Figure:
    """A mean with its interval; without one where nothing is known of how it would vary."""

    mean: float
    low: float = -math.inf
    high: float = math.inf

    @property
    def bounded(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)


@dataclass(frozen=True)
class Summary:
    """What runs that differ in their seed alone say together.

    networks: network -> metric -> figure. Over several seeds the intervals are Student's over the seeds; for one seed
        they are those of the run, over the test images, and only top1 has one.
    difference: student - twin; None without a twin.
    mcnemar: p-value of the exact McNemar test of a single run; None over several.
    images: how many test images.
    """

    seeds: int
    networks: dict[str, dict[str, Figure]]
    difference: Figure | None
    mcnemar: float | None
    images: int

    @property
    def kind(self) -> Kind:
        """A difference is only called one where its interval leaves out zero and, of one run, the exact test agrees."""
        if self.difference is None:
            return "unknown"
        sure = self.mcnemar is None or self.mcnemar < SIGNIFICANT
        if self.difference.low > 0 and sure:
            return "helps"
        return "harms" if self.difference.high < 0 and sure else "same"


def over_seeds(values: Sequence[float]) -> Figure:
    """Mean and 95 % interval by Student's t; the interval is infinite for a single value."""
    if len(values) < 2:
        return Figure(fmean(values))
    half = float(stdtrit(len(values) - 1, 0.975)) * stdev(values) / math.sqrt(len(values))
    mean = fmean(values)
    return Figure(mean, mean - half, mean + half)


def summarise(results: Sequence[Results]) -> Summary:
    """One run's results, or those of several runs that differ in their seed alone."""
    assert results, "nothing to summarise"
    first, alone = results[0], len(results) == 1
    networks: dict[str, dict[str, Figure]] = {}
    for network in NETWORKS:
        if all(network in result for result in results):
            present = [m for m in METRICS if all(result[network].get(m) is not None for result in results)]
            figures = {metric: over_seeds([result[network][metric] for result in results]) for metric in present}
            networks[network] = {m: figure if m == "nll" else _share(figure) for m, figure in figures.items()}
            if alone and "low" in first[network]:
                networks[network]["top1"] = _of_run(first[network])
    difference = None
    if all("difference" in result for result in results):
        gaps = [result["difference"] for result in results]
        difference = _of_run(gaps[0]) if alone else over_seeds([gap["top1"] for gap in gaps])
    return Summary(
        seeds=len(results),
        networks=networks,
        difference=difference,
        mcnemar=first["difference"].get("mcnemar") if alone and difference else None,
        images=int(first["student"].get("count", 0)),
    )


def sentence(summary: Summary) -> str:
    """Whether the teacher helped, in a sentence that claims no more than the interval allows."""
    if summary.difference is None:
        return "No twin was trained, so the effect of the teacher is unknown."
    words = f"{points(summary.difference.mean)} percentage points relative to the twin"
    if summary.difference.bounded:
        words += f" (95 % interval {points(summary.difference.low)} to {points(summary.difference.high)})"
    match summary.kind:
        case "helps":
            return f"{words}: the teacher helps."
        case "harms":
            return f"{words}: the teacher harms."
    where = "on this test set" if summary.seeds == 1 else f"over these {summary.seeds} seeds"
    return f"{words}: no significant difference {where}."


def covers(summary: Summary) -> str:
    """What the interval covers, and what it does not."""
    if summary.seeds > 1:
        few = " Two seeds give a very wide interval: use three or more." if summary.seeds == 2 else ""
        return f"Mean over {summary.seeds} seeds with Student's 95 % interval, which includes the variation between seeds.{few}"
    exact = "" if summary.mcnemar is None else f" Exact McNemar test: p {_p(summary.mcnemar)}."
    return (
        f"One seed. The 95 % interval covers the sampling of the {summary.images:,} test images, not the variation between "
        "seeds." + exact
    )


def points(fraction: float) -> str:
    """A difference of two accuracies in percentage points, with its sign."""
    return f"{MINUS if round(1000 * fraction) < 0 else '+'}{abs(100 * fraction):.1f}"


def _share(figure: Figure) -> Figure:
    """Student's t interval may pass the ends of the scale; a share is from 0 to 1."""
    return Figure(figure.mean, max(figure.low, 0.0), min(figure.high, 1.0)) if figure.bounded else figure


def _of_run(figures: dict[str, float]) -> Figure:
    return Figure(figures["top1"], figures["low"], figures["high"])


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"
