"""Conclusions in words. The first sentence is short enough to be read aloud; what it rests on stands below."""

from collections.abc import Iterable

from kdcore.results.comparison.conclusion import Conclusion
from kdcore.results.comparison.figure import LEAST_SEEDS, counted, digits, ends, middle, size
from kdcore.results.comparison.holm import ALPHA
from kdcore.results.comparison.summary import Summary


def sentence(summary: Summary) -> str:
    """Whether the student differs from its twin, in a sentence that claims no more than the interval allows."""
    if summary.difference is None and "teacher" not in summary.networks:
        return "Neither a teacher nor a twin: there is nothing to compare the student with."
    if summary.difference is None:
        return "No twin was trained, so the effect of the teacher is unknown."
    return claim(summary.difference, "the student", "its twin")


def claim(found: Conclusion, first: str, second: str) -> str:
    """What may be claimed of the difference of two networks, which the sentence names."""
    return with_figures(found, f"{first} is {found.kind} than {second}", "no difference shown")


def with_figures(found: Conclusion, shown: str, undecided: str) -> str:
    """A conclusion with its difference and interval, in the words for one that is shown or for one that is not; else why it is refused."""
    words = f"{middle(found)} percentage points"
    if found.kind == "refused":
        return f"{words}: no conclusion, {found.why}."
    words += f" ({level(found)} interval {ends(found)})"
    if found.kind != "open":
        return f"{words}: {shown}."
    least = f"; {size(found.detectable, digits(found))} or more would be found" if found.detectable is not None else ""
    return f"{words}: {undecided}{least}."


def level(found: Conclusion) -> str:
    """`95 %`, or `98.3 %` for one of several comparisons."""
    return f"{100 * (1 - found.alpha):.{1 if found.alpha >= ALPHA / 50 else 2}f}".replace(".0", "") + " %"


def covers(summary: Summary) -> str:
    """What the interval covers, and what it does not."""
    found = summary.difference
    parts = [_included(summary)]
    if found is not None:
        if words := corrected([found]):
            parts.append(words)
        if found.kind == "open":
            parts.append("“Would be found”: in 80 % of repetitions.")
    return " ".join(parts)


def covers_all(summaries: Iterable[Summary]) -> str:
    """The same for summaries that were made together: in the words of one with an interval, if any has one, and most seeds; and what
    those of fewer seeds have instead."""
    together = list(summaries)
    most = max(together, key=lambda each: (each.difference is not None and each.difference.bounded, each.seeds))
    return " ".join([covers(most), *_of_fewer(most, {each.seeds for each in together})])


def _of_fewer(most: Summary, seeds: set[int]) -> list[str]:
    """What the accuracies of variants with one seed, or two, have for an interval, beside one with more."""
    fewer = {each for each in seeds if each < most.seeds}
    found = (
        ["Where one seed is finished, that of an accuracy covers the choice of the test images alone."]
        if 1 in fewer
        else []
    )
    return [*found, *(["Of two seeds there is none."] if 2 in fewer and most.seeds >= LEAST_SEEDS else [])]


def corrected(found: Iterable[Conclusion]) -> str:
    """That several comparisons were made, and how the intervals take it into account; empty for one, and where none has an interval."""
    comparisons = max((each.comparisons for each in found if each.bounded), default=1)
    return (
        ""
        if comparisons == 1
        else (
            f"{comparisons} comparisons, with wider intervals (Holm's correction), so that a false claim among all of them has a "
            "probability of about 5 %."
        )
    )


def _included(summary: Summary) -> str:
    images = f"the {counted(summary.images)}" if summary.images else "the test images"
    if summary.seeds == 1:
        return f"One seed: the interval covers the choice of {images}, not the variation between seeds."
    if not summary.same_images:
        return f"Mean of {summary.seeds} seeds, without intervals: they have different test images."
    if summary.seeds < LEAST_SEEDS:
        return f"Mean of {summary.seeds} seeds, without intervals: {LEAST_SEEDS} seeds are needed for them."
    if not summary.bounded:
        return f"Mean of {summary.seeds} seeds, without intervals."
    if summary.redrawn:
        drawn = "each seed had its own training images, validation images and labels"
    else:
        drawn = "training images and labels were the same for every seed, so their choice is not covered"
    start = "" if summary.pretrained else "initial weights, "
    if summary.pretrained:
        drawn += "; the student began with the same trained weights"
    return (
        f"Mean of {summary.seeds} seeds: the interval covers {start}order of batches and augmentation, and the "
        f"choice of {images}; {drawn}."
    )
