"""Widgets for a schedule: constant, linear, cosine, steps or piecewise linear."""

import math
import re
from typing import Any

import streamlit as st

KINDS = {
    "constant": "Constant",
    "linear": "Linear",
    "cosine": "Cosine",
    "steps": "Steps",
    "piecewise": "Piecewise linear",
}


def kind_of(spec: Any) -> str:
    return next(iter(spec)) if isinstance(spec, dict) and spec else "constant"


def choose(label: str, spec: Any, key: str) -> Any:
    """The widgets of a schedule. A constant is returned as it is: its value has its own widget.

    Returns:
        the schedule as in a recipe. Text that cannot be parsed is returned unchanged, so that the recipe reports it.
    """
    given = kind_of(spec)
    kinds = KINDS if given in KINDS else {**KINDS, given: "As in the recipe"}
    kind = st.selectbox(
        f"{label} over the run", list(kinds), list(kinds).index(given), format_func=kinds.get, key=f"kind-{key}"
    )
    if kind not in KINDS:
        st.caption(in_words(spec))
        return spec
    first = first_value(spec)
    own = spec[given] if kind == given and isinstance(spec, dict) else None
    left, right = st.columns(2)
    match kind:
        case "linear" | "cosine":
            start, end = own or (first, 0.1 * first)
            return {kind: [
                left.number_input("From", None, None, float(start), format="%g", key=f"start-{kind}-{key}"),
                right.number_input("To", None, None, float(end), format="%g", key=f"end-{kind}-{key}"),
            ]}  # fmt: skip
        case "steps":
            own = own or {"start": first, "factor": 0.5, "at": [2]}
            start = left.number_input("From", None, None, float(own["start"]), format="%g", key=f"step-start-{key}")
            factor = right.number_input(
                "Multiply by", None, None, float(own["factor"]), format="%g", key=f"factor-{key}"
            )
            at = st.text_input("At the start of epochs", ", ".join(f"{e:g}" for e in own["at"]), key=f"at-{key}")
            return {"steps": {"start": start, "factor": factor, "at": numbers(at)}}
        case "piecewise":
            points = own or [[1, first], [2, 0.5 * first]]
            typed = st.text_input(
                "Epoch: value, …", ", ".join(f"{epoch:g}: {value:g}" for epoch, value in points), key=f"points-{key}",
                help="Epochs are counted from 1; values in between are interpolated. Example: 1: 3, 20: 2, 21: 1.5, "
                "50: 1",
            )  # fmt: skip
            return {"piecewise": pairs(typed)}
    return first


def first_value(spec: Any) -> float:
    """The first value of a schedule, so that another kind can start from it."""
    match spec:
        case {"linear": [start, *_]} | {"cosine": [start, *_]} | {"steps": {"start": start}}:
            return float(start)
        case {"piecewise": [[_, start], *_]}:
            return float(start)
        case {"scaled": {"schedule": inner}} | {"held": {"schedule": inner}}:
            return first_value(inner)
    return float(spec) if isinstance(spec, (int, float)) else 1.0


def in_words(spec: Any) -> str:
    """`3 → 1, linear`."""
    match spec:
        case {"linear": [start, end]} | {"cosine": [start, end]}:
            return f"{start:g} → {end:g}, {KINDS[kind_of(spec)].lower()}"
        case {"steps": {"start": start, "factor": factor, "at": at}} if isinstance(at, list):
            return f"{start:g}, × {factor:g} at epoch {', '.join(f'{epoch:g}' for epoch in at)}"
        case {"piecewise": [[_, start], *_, [_, end]]}:
            return f"{start:g} → {end:g}, through {len(spec['piecewise'])} points"
        case {"scaled": {"schedule": inner, "factors": [*factors]}}:
            return f"{in_words(inner)}, " + ", ".join(f"× {by:g} from epoch {at:g}" for at, by in factors)
        case {"held": {"schedule": inner, "epochs": epochs}}:
            return f"{in_words(inner)} in {epochs} epochs, then constant"
    return f"{spec}"


def numbers(text: str) -> list[float] | str:
    """`30, 40` -> [30, 40]; text that cannot be parsed is returned unchanged."""
    try:
        return [plain(part) for part in re.split(r"[,;\s]+", text.strip()) if part]
    except ValueError:
        return text


def pairs(text: str) -> list[list[float]] | str:
    """`1: 3, 20: 2` -> [[1, 3], [20, 2]]; text that cannot be parsed is returned unchanged."""
    try:
        found = [[plain(epoch), plain(value)] for epoch, value in (part.split(":") for part in re.split(r"[,;]", text))]
    except ValueError:
        return text
    return found


def plain(text: str) -> float:
    """The number, an integer where it is whole, so that the recipe shows it as typed."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return int(number) if number == int(number) else number
