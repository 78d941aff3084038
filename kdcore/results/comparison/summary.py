"""The figures of one run, or of several that differ in their seed alone: each network, and student against twin."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kdcore.results.comparison.conclusion import Compared, Conclusion, Kind, conclude_all
from kdcore.results.comparison.crossed import Crossed, of_images, of_means
from kdcore.results.comparison.figure import LEAST_SEEDS, Figure, over_seeds
from kdcore.results.comparison.holm import ALPHA
from kdcore.results.comparison.outcome import Outcome, Results, alike, with_twin

NETWORKS = ("student", "twin", "teacher")
TWO_CLASSES = ("auroc", "sensitivity", "specificity")
METRICS = ("top1", *TWO_CLASSES, "nll", "ece")  # of a network's results, where present; all but nll are shares


@dataclass(frozen=True)
class Summary:
    """What runs that differ in their seed alone show together.

    networks: network -> metric -> figure. The interval of top1 includes the luck of the test images and, over three or more
        seeds, of the seeds; other metrics have Student's interval over the seeds.
    difference: student - twin and what may be claimed of it; None without a twin.
    images: how many test images; 0 where that is not known. same_images: whether the runs have the same ones; else no accuracy has an
        interval.
    redrawn: whether each seed had its own training data. pretrained: whether the students began with trained weights.
    """

    seeds: int
    networks: dict[str, dict[str, Figure]]
    difference: Conclusion | None
    images: int
    redrawn: bool = False
    pretrained: bool = False
    same_images: bool = True

    @property
    def bounded(self) -> bool:
        """Whether an accuracy or the difference has an interval."""
        found = [self.difference, *(figures["top1"] for figures in self.networks.values())]
        return any(each.bounded for each in found if each)

    @property
    def kind(self) -> Kind:
        return self.difference.kind if self.difference else "unknown"


def summarise(runs: Sequence[Outcome], planned: int | None = None) -> Summary:
    """One run, or several runs that differ in their seed alone.

    Args:
        planned: how many seeds there will be; until all are finished nothing is claimed.
    """
    return summarise_all([runs], [len(runs) if planned is None else planned])[0]


def summarise_all(groups: Sequence[Sequence[Outcome]], planned: Sequence[int], comparisons: int = 0) -> list[Summary]:
    """Groups of runs that are compared together: the intervals of student - twin are corrected for their number.

    Args:
        planned: how many seeds each group will have.
        comparisons: how many groups there will be, where some have no runs yet.
    """
    assert all(groups), "nothing to summarise"
    pairs = [tuple(pair for run in runs if (pair := with_twin(run))) for runs in groups]
    compared = [
        Compared(found, seeds, without=len(runs) - len(found))
        for found, seeds, runs in zip(pairs, planned, groups, strict=True)
        if found
    ]
    conclusions = iter(conclude_all(compared, comparisons))
    return [_summary(runs, next(conclusions) if found else None) for runs, found in zip(groups, pairs, strict=True)]


def with_interval(run: Outcome) -> Results:
    """A run's results for an export: the difference has the interval of its conclusion, and none where it is refused."""
    if "difference" not in run.results:
        return run.results
    stored, found = run.results["difference"], summarise([run]).difference
    kept = {name: value for name, value in stored.items() if name not in ("low", "high", "mcnemar")}
    ends = {"low": found.low, "high": found.high} if found and found.bounded else {}
    return {**run.results, "difference": {**kept, **ends}}


def _summary(runs: Sequence[Outcome], difference: Conclusion | None) -> Summary:
    networks: dict[str, dict[str, Figure]] = {}
    for network in NETWORKS:
        if all(network in run.results for run in runs):
            present = [m for m in METRICS if all(run.results[network].get(m) is not None for run in runs)]
            figures = {metric: over_seeds([run.results[network][metric] for run in runs]) for metric in present}
            networks[network] = {m: figure if m == "nll" else _share(figure) for m, figure in figures.items()}
            networks[network]["top1"] = _share(_accuracy(runs, network))
    return Summary(
        seeds=len(runs),
        networks=networks,
        difference=difference,
        images=int(runs[0].results["student"].get("count", 0)),
        same_images=alike(runs),
        redrawn=all(run.redrawn for run in runs),
        pretrained=any(run.pretrained for run in runs),
    )


def _accuracy(runs: Sequence[Outcome], network: str) -> Figure:
    """Accuracy with an interval that includes the luck of the test images; without one for two seeds, and for different images."""
    figures = [run.results[network] for run in runs]
    mean = Figure(sum(each["top1"] for each in figures) / len(figures))
    if len(runs) == 1:
        low, high = figures[0].get("low"), figures[0].get("high")
        return mean if low is None or high is None else Figure(mean.mean, low, high)
    count = int(figures[0].get("count", 0))
    if len(runs) < LEAST_SEEDS or count < 2 or not alike(runs):
        return mean
    right = [run.right(network) for run in runs]
    if all(row is not None and len(row) == count for row in right):
        found = of_images(np.stack([row for row in right if row is not None]))
    else:
        shares = [each["top1"] for each in figures]
        found = of_means(shares, [share * (1 - share) for share in shares], count)
    return Figure(mean.mean, *share_interval(found, count))


def share_interval(found: Crossed, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, for as many independent images as have its variance; all of them where it has none."""
    share = found.mean
    images = share * (1 - share) / found.variance if found.variance else float(count)
    z = found.critical(ALPHA / 2)
    middle, half = share + z * z / 2 / images, z * math.sqrt((share * (1 - share) + z * z / 4 / images) / images)
    return (middle - half) / (1 + z * z / images), (middle + half) / (1 + z * z / images)


def _share(figure: Figure) -> Figure:
    """An interval may pass the ends of the scale; a share is from 0 to 1."""
    return replace(figure, low=max(figure.low, 0.0), high=min(figure.high, 1.0)) if figure.bounded else figure
