"""Charts of a recipe's schedules: weights, temperatures and learning rate over the epochs."""

from collections.abc import Callable, Collection
from typing import Any, cast

import streamlit as st

from kdcore.recipe import Recipe, Term, schedules
from pages.parts import formatting, palette

POINTS = 240  # of a curve
HEIGHT = 110  # pixels of a panel
# the theme's colours, which Vega cannot read
LIGHT = {"blue": "#1c83e1", "red": "#ff4b4b", "green": "#158237", "yellow": "#b98900", "gray": "#737785"}
DARK = {"blue": "#3d9df3", "red": "#ff6c6c", "green": "#3dd56d", "yellow": "#ffe312", "gray": "#a3a8b8"}
Rows = list[dict[str, Any]]


def draw(recipe: Recipe, with_temperature: Collection[str]) -> None:
    """One panel per quantity, over the same epochs.

    Args:
        with_temperature: the methods that have one.
    """
    terms = recipe.terms
    colours = {term.label: palette.TERM_COLOURS[i % len(palette.TERM_COLOURS)] for i, term in enumerate(terms)}
    if len(terms) > 1:
        st.markdown(
            " &ensp; ".join(f":{colours[term.label]}[**—** {formatting.as_text(term.label)}]" for term in terms)
        )
    weights = over_the_run(recipe, {term.label: weight_of(term, recipe.epochs) for term in terms})
    panel("Weight", weights, colours, wide=spread(weights))
    tempered = [term for term in terms if term.method in with_temperature]
    if tempered:
        courses = {term.label: schedules.parse(term.temperature, recipe.epochs) for term in tempered}
        panel("Temperature", over_the_run(recipe, courses), colours)
    factor, rate = recipe.lr.schedule(recipe.epochs), recipe.optimizer.lr
    panel("Learning rate", over_the_run(recipe, {"learning rate": lambda p: rate * factor(p)}), {}, last=True)
    if adapting := [term.label for term in terms if term.adapt]:
        st.caption(
            f"The weight of {' and '.join(adapting)} may fall below this: it is lowered when the validation loss stops "
            "improving."
        )
    if recipe.weighting != "fixed":
        how = {
            "gradients": "scaled so that all terms have the same gradient norm",
            "uncertainty": "learned during the run",
        }
        st.caption(f"These are initial weights: they are {how[recipe.weighting]}.")


def weight_of(term: Term, epochs: int) -> Callable[[float], float]:
    course = schedules.parse(term.weight, epochs)
    return lambda progress: course(progress) if term.counts_in(schedules.epoch(progress, epochs)) else 0.0


def over_the_run(recipe: Recipe, courses: dict[str, Callable[[float], float]]) -> Rows:
    """One row per line and point: `line`, `epoch` from 0 to the last, `value`."""
    inside = 1 - 1e-9  # at 1 a run is over
    return [
        {"line": name, "epoch": recipe.epochs * i / POINTS, "value": course(min(i / POINTS, inside))}
        for name, course in courses.items()
        for i in range(POINTS + 1)
    ]


def spread(rows: Rows) -> bool:
    """Whether the lines differ so much that the small ones would coincide with the axis."""
    tops = largest(rows)
    return max(tops) > 50 * min((value for value in tops if value > 0), default=1.0)


def largest(rows: Rows) -> list[float]:
    """The largest value of each line."""
    return [max(row["value"] for row in rows if row["line"] == line) for line in {row["line"] for row in rows}]


def panel(title: str, rows: Rows, colours: dict[str, str], *, last: bool = False, wide: bool = False) -> None:
    dark = st.context.theme.type == "dark"
    shades, other = (DARK, "#fafafa") if dark else (LIGHT, "#31333f")
    lines = list(dict.fromkeys(row["line"] for row in rows))
    scale = {"domain": lines, "range": [shades[colours[line]] if line in colours else other for line in lines]}
    least = min((row["value"] for row in rows if row["value"] > 0), default=1.0)
    # a plain dictionary: Altair validates every part of a chart, which took four fifths of the page's time
    spec = {
        "data": {"values": rows},
        "mark": {"type": "line", "strokeWidth": 2, "interpolate": "linear"},
        "encoding": {
            "x": {
                "field": "epoch", "type": "quantitative", "title": "Epoch" if last else None,
                "axis": {"tickMinStep": 1, "format": "d", "grid": False, "labels": last},
            },
            "y": {
                "field": "value", "type": "quantitative", "title": None,
                "axis": {"values": sorted({0.0, *largest(rows)})} if wide else {"tickCount": 3},
                "scale": {"type": "symlog", "constant": least} if wide else {"zero": True},
            },
            "color": {"field": "line", "type": "nominal", "scale": scale, "legend": None},
            "tooltip": [
                {"field": "line", "type": "nominal", "title": "Term"},
                {"field": "epoch", "type": "quantitative", "format": ".1f", "title": "Epoch"},
                {"field": "value", "type": "quantitative", "format": ".3g", "title": title},
            ],
        },
        "height": HEIGHT + 40 * last,
        "width": "container",
        "padding": {"left": 0, "right": 5, "top": 4, "bottom": 0},
    }  # fmt: skip
    st.caption(title)
    st.vega_lite_chart(cast(Any, spec), width="stretch", alt=f"{title} over the epochs of the run")
