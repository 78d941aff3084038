"""What was measured, as lines to print."""

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.train.turns import Turn

Turns = Mapping[str, Sequence[Turn]]


def ratios(turns: Turns, way: str, base: str) -> list[float]:
    """How many times faster a way was than another, in each round."""
    return [theirs.an_image / ours.an_image for theirs, ours in zip(turns[base], turns[way], strict=True)]


def table(
    turns: Turns,
    base: str,
    *,
    goals: Mapping[str, float],
    flop: Mapping[str, float] | None = None,
    limits: Mapping[str, float] | None = None,
) -> list[str]:
    """A line for each way: time, times faster than `base`, and share of what the machine can multiply, with the times
    faster that all of it would be.

    Args:
        goals: times faster, by way.
        flop: of an image, by way.
        limits: FLOP a second, by precision.
    """
    lines = []
    for way, taken in turns.items():
        seconds = [turn.an_image for turn in taken]
        middle = statistics.median(seconds)
        line = f"  {way:28} {1000 * middle:9.3f} ms [{1000 * min(seconds):.3f}-{1000 * max(seconds):.3f}]"
        line += f" {1 / middle:10.1f} images/s"
        if way != base:
            found = ratios(turns, way, base)
            line += f"   x{statistics.median(found):5.2f} [{min(found):.2f}-{max(found):.2f}]"
            line += f", goal {goals[way]:g}" if way in goals else ""
        if flop and limits:
            theirs = statistics.median(turn.an_image for turn in turns[base])
            shares = (
                f"{flop[way] / middle / limit:.0%} of {name}"
                + (f" (all: x{theirs * limit / flop[way]:.1f})" if way != base else "")
                for name, limit in limits.items()
            )
            line += f"   {', '.join(shares)}"
        if watts := [turn.watts for turn in taken if turn.watts is not None]:
            line += f"   {statistics.median(watts):.0f} W"
        lines.append(line)
    return lines


def profile(turns: Turns) -> list[str]:
    """Where each way's time goes, in percent; of loaders' processes only the sum is known."""
    lines = []
    for way, taken in turns.items():
        whole = sum(turn.seconds for turn in taken)
        parts: dict[str, float] = {}
        for turn in taken:
            for name, seconds in turn.laps.items():
                parts[name] = parts.get(name, 0.0) + seconds
        if parts:
            left = whole - sum(parts.values())
            if left > 0.001 * whole:
                parts["loader's workers"] = left
            told = ", ".join(f"{name} {seconds / whole:.1%}" for name, seconds in parts.items())
            lines.append(f"  {way:28} {told}")
    return lines
