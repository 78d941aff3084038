"""What passes on from the teacher, in sentences that claim no more than `transfers` shows."""

from collections.abc import Sequence

from kdcore.results.bias.difference import Difference
from kdcore.results.bias.measure import Measure
from kdcore.results.bias.transfer import Transfer
from kdcore.results.comparison.figure import MINUS, digits, minus, points

NAMED = 3  # in one line; more are counted
ONE_SEED = "One seed: the intervals cover the choice of the images, not the variation between seeds."


def sentence(found: Transfer) -> str:
    """What is shown of one measure under one condition."""
    name, measure = subject(found), found.measure
    if found.kind == "refused":
        return f"{name}: no conclusion; {found.why}."
    if found.kind == "no gap":
        return (
            f"{name}: teacher and twin are not shown to differ (teacher {MINUS} twin {_interval(measure, found.gap)})."
        )
    change = f"student {MINUS} twin {_interval(measure, found.change)}"
    if found.kind == "not shown":
        return f"{name}: no transfer shown ({change}; teacher {MINUS} twin {_interval(measure, found.gap)})."
    gap = f"teacher {MINUS} twin {_interval(measure, found.gap)}"
    if found.kind == "moves away":
        return f"{name} moves away from the teacher: {change}, {gap}."
    weakness = (
        " The teacher is worse than the twin here, so the student inherits a weakness." if found.over_distilled else ""
    )
    return f"{name} passes on: {change}, {gap}{_way(found)}.{weakness}"


def what_else_passed_on(found: Sequence[Transfer]) -> str:
    """One line for a run's page: what passed on besides accuracy on clean images, what did not, and out of how many comparisons."""
    together = found
    found = [each for each in together if each.condition or each.measure.name != "accuracy"]
    made = [each for each in found if each.kind != "refused"]
    if not made:
        return f"What passed on besides accuracy is not known: {found[0].why if found else 'nothing was measured'}."
    parts = []
    for title, chosen in (
        (
            "Besides accuracy, the student is closer to the teacher than the twin in",
            [e for e in made if e.kind == "passes on" and not e.over_distilled],
        ),
        ("Weaknesses of the teacher that passed on", [e for e in made if e.over_distilled]),
        ("Further from the teacher than the twin", [e for e in made if e.kind == "moves away"]),
    ):
        if chosen:
            parts.append(f"{title}: {_listed(chosen)}.")
    if not parts:
        parts.append("Besides accuracy, nothing is shown to have passed on from the teacher.")
    refused = sum(each.kind == "refused" for each in together)
    return " ".join(
        [*parts, out_of(len(together), len(together) - refused), *([ONE_SEED] if made[0].seeds == 1 else [])]
    )


def out_of(comparisons: int, made: int) -> str:
    """How many comparisons were made, and what that does to their intervals."""
    refused = f", {comparisons - made} of them without a conclusion" if made < comparisons else ""
    if comparisons == 1:
        return "One comparison; student and teacher must both differ from the twin, with 95 % intervals."
    return f"{comparisons} comparisons{refused}; in brackets: 95 % intervals, corrected for their number (Holm)."


def subject(found: Transfer) -> str:
    """`Accuracy on scrambled patches`, as the beginning of a sentence."""
    return f"{found.measure.title} on {found.condition}" if found.condition else found.measure.title


def _interval(measure: Measure, difference: Difference) -> str:
    """`+4.9 percentage points (+3.5 to +6.4)`, all with the digits it takes to see on which side of 0 the interval ends."""
    share = measure.unit == "share"
    shown = digits(difference, 100, 1) if share else digits(difference, 1, 2)
    factor, unit = (1.0, " percentage points") if share else (0.01, " nats" if measure.unit else "")
    mean, low, high = (points(factor * each, shown) for each in (difference.mean, difference.low, difference.high))
    return f"{mean}{unit}{f' ({low} to {high})' if difference.bounded else ''}"


def _way(found: Transfer) -> str:
    """`; it stands at 54 % of the way from twin to teacher (40 to 70 %)`."""
    share = found.share
    if not share.defined:
        return ""
    shown = digits(share, 100, 0)
    mean, low, high = (minus(f"{100 * each:.{shown}f}") for each in (share.mean, share.low, share.high))
    return f"; the student stands at {mean} % of the way from twin to teacher ({low} to {high} %)"


def _listed(chosen: Sequence[Transfer]) -> str:
    """The largest in the order of how far their intervals are from 0, in units of their width."""
    ordered = sorted(chosen, key=lambda each: -abs(each.change.mean) / max(each.change.high - each.change.low, 1e-12))
    words = [
        f"{_within(each)} (student {MINUS} twin {_interval(each.measure, each.change)})" for each in ordered[:NAMED]
    ]
    if (more := len(ordered) - NAMED) > 0:
        words.append(f"{more} more")
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else words[0]


def _within(found: Transfer) -> str:
    return within(subject(found))


def within(title: str) -> str:
    """A title as it is written within a sentence: `Low-pass (6)` as `low-pass (6)`, and `JPEG compression (3)` as it is."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
