"""Measurements as lines of text."""

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.train.interleaved import Measurement

Turns = Mapping[str, Sequence[Measurement]]


def ratios(turns: Turns, variant: str, base: str) -> list[float]:
    """How many times faster a variant was than another, in each round."""
    return [other.per_image / own.per_image for other, own in zip(turns[base], turns[variant], strict=True)]


def table(
    turns: Turns,
    base: str,
    *,
    goals: Mapping[str, float],
    flop: Mapping[str, float] | None = None,
    limits: Mapping[str, float] | None = None,
) -> list[str]:
    """A line for each variant: time, speedup over `base`, share of the machine's limit, and the speedup at the limit.

    Args:
        goals: speedup, by variant.
        flop: of an image, by variant.
        limits: FLOP a second, by precision.
    """
    lines = []
    for variant, taken in turns.items():
        seconds = [turn.per_image for turn in taken]
        middle = statistics.median(seconds)
        line = f"  {variant:28} {1000 * middle:9.3f} ms [{1000 * min(seconds):.3f}-{1000 * max(seconds):.3f}]"
        line += f" {1 / middle:10.1f} images/s"
        if variant != base:
            found = ratios(turns, variant, base)
            line += f"   x{statistics.median(found):5.2f} [{min(found):.2f}-{max(found):.2f}]"
            line += f", goal {goals[variant]:g}" if variant in goals else ""
        if flop and limits:
            base_seconds = statistics.median(turn.per_image for turn in turns[base])
            shares = (
                f"{flop[variant] / middle / limit:.0%} of {name}"
                + (f" (all: x{base_seconds * limit / flop[variant]:.1f})" if variant != base else "")
                for name, limit in limits.items()
            )
            line += f"   {', '.join(shares)}"
        if watts := [turn.watts for turn in taken if turn.watts is not None]:
            line += f"   {statistics.median(watts):.0f} W"
        lines.append(line)
    return lines


def profile(turns: Turns) -> list[str]:
    """The parts of each variant's time, in percent; of loader processes only the sum is known."""
    lines = []
    for variant, taken in turns.items():
        whole = sum(turn.seconds for turn in taken)
        parts: dict[str, float] = {}
        for turn in taken:
            for name, seconds in turn.laps.items():
                parts[name] = parts.get(name, 0.0) + seconds
        if parts:
            left = whole - sum(parts.values())
            if left > 0.001 * whole:
                parts["loader's workers"] = left
            shares = ", ".join(f"{name} {seconds / whole:.1%}" for name, seconds in parts.items())
            lines.append(f"  {variant:28} {shares}")
    return lines
