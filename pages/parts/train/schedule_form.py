"""A number that may change over a run, chosen by widgets: constant, a line, a cosine, steps, or points with lines between."""

import math
import re
from typing import Any

import streamlit as st

KINDS = {
    "constant": "Constant",
    "linear": "Straight line",
    "cosine": "Cosine",
    "steps": "Steps",
    "piecewise": "Points",
}


def kind_of(spec: Any) -> str:
    return next(iter(spec)) if isinstance(spec, dict) and spec else "constant"


def choose(label: str, spec: Any, key: str) -> Any:
    """The widgets of a schedule; a constant's own value is chosen elsewhere, so it comes back as it is.

    Returns:
        the schedule as a recipe has it. What cannot be understood comes back as it was typed: the recipe refuses it.
    """
    given = kind_of(spec)
    kind = st.selectbox(
        f"{label} over the run", list(KINDS), list(KINDS).index(given), format_func=KINDS.get, key=f"kind-{key}"
    )
    first = first_value(spec)
    own = spec[given] if kind == given and isinstance(spec, dict) else None
    left, right = st.columns(2)
    match kind:
        case "linear" | "cosine":
            start, end = own or (first, 0.1 * first)
            return {kind: [
                left.number_input("From", 0.0, None, float(start), format="%g", key=f"start-{kind}-{key}"),
                right.number_input("To", 0.0, None, float(end), format="%g", key=f"end-{kind}-{key}"),
            ]}  # fmt: skip
        case "steps":
            own = own or {"start": first, "factor": 0.5, "at": [2]}
            start = left.number_input("From", 0.0, None, float(own["start"]), format="%g", key=f"step-start-{key}")
            factor = right.number_input("Times", 0.0, None, float(own["factor"]), format="%g", key=f"factor-{key}")
            at = st.text_input("At the start of epochs", ", ".join(f"{e:g}" for e in own["at"]), key=f"at-{key}")
            return {"steps": {"start": start, "factor": factor, "at": numbers(at)}}
        case "piecewise":
            points = own or [[1, first], [2, 0.5 * first]]
            said = st.text_input(
                "Epoch: value, …", ", ".join(f"{epoch:g}: {value:g}" for epoch, value in points), key=f"points-{key}",
                help="Values at epochs, counted from 1, with straight lines between: 1: 3, 20: 2, 21: 1.5, 50: 1",
            )  # fmt: skip
            return {"piecewise": pairs(said)}
    return first


def first_value(spec: Any) -> float:
    """Where a schedule begins, so that another kind of schedule can begin there too."""
    match spec:
        case {"linear": [start, *_]} | {"cosine": [start, *_]} | {"steps": {"start": start}}:
            return float(start)
        case {"piecewise": [[_, start], *_]}:
            return float(start)
    return float(spec) if isinstance(spec, (int, float)) else 1.0


def in_words(spec: Any) -> str:
    """`3 → 1, straight line`."""
    match spec:
        case {"linear": [start, end]} | {"cosine": [start, end]}:
            return f"{start:g} → {end:g}, {KINDS[kind_of(spec)].lower()}"
        case {"steps": {"start": start, "factor": factor, "at": at}} if isinstance(at, list):
            return f"{start:g}, times {factor:g} at epoch {', '.join(f'{epoch:g}' for epoch in at)}"
        case {"piecewise": [[_, start], *_, [_, end]]}:
            return f"{start:g} → {end:g}, through {len(spec['piecewise'])} points"
    return f"{spec}"


def numbers(text: str) -> list[float] | str:
    """`30, 40` -> [30, 40]; the text itself where it is something else."""
    try:
        return [plain(part) for part in re.split(r"[,;\s]+", text.strip()) if part]
    except ValueError:
        return text


def pairs(text: str) -> list[list[float]] | str:
    """`1: 3, 20: 2` -> [[1, 3], [20, 2]]; the text itself where it is something else."""
    try:
        found = [[plain(epoch), plain(value)] for epoch, value in (part.split(":") for part in re.split(r"[,;]", text))]
    except ValueError:
        return text
    return found


def plain(text: str) -> float:
    """A whole number stays one, so that a recipe reads as it was typed."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("It is no finite number.")
    return int(number) if number == int(number) else number
