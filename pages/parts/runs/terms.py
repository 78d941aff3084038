"""What the terms of a run's loss did: which of them does nothing, how weights and layers shared, what each says of itself."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import streamlit as st

from kdcore.recipe import Recipe, Term
from kdcore.store import RunState
from pages.parts import engine, formatting, palette
from pages.parts.components.live_chart.live_chart import Line, Panel, live_chart

SECONDS = 3.0
SHOWN_CHANGES = 5
Figures = dict[str, dict[str, dict[int, float]]]  # term -> name -> the teacher's layer -> newest value
USED = "kept"  # the figure that says whether a layer is used


def show(run_id: str) -> None:
    """Nothing at all where there is nothing to say."""
    store = engine.store()
    run, recipe, series = store.state(run_id), store.recipe(run_id), store.series(run_id)
    idle_terms(run)
    panels = figure_panels(recipe, series)
    rankings = layer_figures(recipe, series)
    if not (panels or rankings or run.layer_weights or run.adaptations):
        return
    st.subheader("What the terms did", anchor=False)
    if run.adaptations:
        adapted(run)
    if panels:
        live_chart([run], panels, key=f"figures-{run_id}")
    tables = [term for term in recipe.terms if term.label in rankings]
    heats = [term for term in recipe.terms if any(told["term"] == term.label for told in run.layer_weights)]
    columns = st.columns(2, gap="large") if len(tables) + len(heats) > 1 else [st.container()]
    for place, term in enumerate(tables):
        with columns[place % len(columns)]:
            layer_table(term, rankings[term.label])
    for place, term in enumerate(heats, start=len(tables)):
        with columns[place % len(columns)]:
            layer_heat(run, term)


def idle_terms(run: RunState) -> None:
    """The hint that a term does nothing, while that is so."""
    if not run.gradients:
        return
    newest = run.gradients[-1]
    for term, weight in newest["idle"].items():
        st.warning(
            f"**{term} does nothing at this weight**: {share(newest['shares'][term])} of the gradient that the student learns "
            f"from. At a weight of about {rounded(weight)} it would pull as hard as the other terms do.",
            icon=":material/hourglass_disabled:",
        )


def share(fraction: float) -> str:
    return "less than 0.1 %" if fraction < 0.001 else formatting.percent(fraction)


def rounded(number: float) -> str:
    """Two significant digits, written out: `720`, `0.031`, `12,000`."""
    value = float(f"{number:.2g}")
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:g}"


def adapted(run: RunState) -> None:
    """The changes of weights, the last ones first."""
    lines = [
        f"- Epoch {change['epoch']:.0f}: the weight of **{change['term']}** fell to **{change['factor']:.3g}** times what the "
        f"recipe says. :gray[{change['reason']}.]"
        for change in reversed(run.adaptations)
    ]
    if len(lines) > SHOWN_CHANGES:
        lines[SHOWN_CHANGES:] = [f"- and {len(lines) - SHOWN_CHANGES} before; all are in the table to take away"]
    st.markdown("\n".join(lines))


def figure_panels(recipe: Recipe, series: Mapping[str, Any]) -> list[Panel]:
    """A panel for each number that terms tell of themselves, a line a term."""
    lines: dict[str, list[Line]] = {}
    for place, term in enumerate(recipe.terms):
        colour = palette.TERM_COLOURS[place % len(palette.TERM_COLOURS)]
        start = f"figure/{term.label}/"
        for name in series:
            if name.startswith(start) and "/" not in (figure := name.removeprefix(start)):
                lines.setdefault(figure, []).append(Line(term.label, colour, name))
    return [
        Panel(figure.replace("_", " ").capitalize(), tuple(own), note="after each epoch")
        for figure, own in lines.items()
    ]


def layer_figures(recipe: Recipe, series: Mapping[str, Any]) -> Figures:
    """The newest of the numbers that terms tell of each of the teacher's layers."""
    found: Figures = {}
    for term in recipe.terms:
        start = f"figure/{term.label}/"
        for name, (_, values) in series.items():
            figure, slash, layer = name.removeprefix(start).rpartition("/")
            if name.startswith(start) and slash and layer.isdecimal():
                found.setdefault(term.label, {}).setdefault(figure, {})[int(layer)] = float(values[-1])
    return found


def layer_table(term: Term, figures: dict[str, dict[int, float]]) -> None:
    """The teacher's layers as a term ranks them, the best first."""
    st.markdown(f"**Layers of the teacher, for {term.label}**")
    by = str(term.options.get("by", "variance"))
    ranked = sorted({n for row in figures.values() for n in row}, key=lambda n: (-figures.get(by, {}).get(n, 0.0), n))
    columns: dict[str, list[str]] = {"Map": [str(layer) for layer in ranked]}
    chosen = ""
    if USED in figures:
        columns["Used"] = ["✓" if figures[USED].get(layer) else "" for layer in ranked]
        chosen = (
            f"The {int(np.nansum(list(figures[USED].values())))} with the highest {by.replace('_', ' ')} give hints. "
        )
    for name, row in figures.items():
        if name != USED:
            said = [f"{row[layer]:.3g}" if layer in row else "" for layer in ranked]
            columns[name.replace("_", " ").capitalize()] = said
    st.table(columns, border="horizontal")
    st.caption(f"{chosen}Maps are counted from 0, the shallowest, as in the recipe's `pairs`.")


def layer_heat(run: RunState, term: Term) -> None:
    """How a term shared its weight among the teacher's layers, epoch by epoch; the colours mean the same all the time."""
    told = [told for told in run.layer_weights if told["term"] == term.label]
    rows = [
        {"epoch": round(entry["epoch"]), "layer": layer, "weight": weight}
        for entry in told
        for layer, weight in enumerate(entry["weights"], start=1)
    ]
    layers = len(told[-1]["weights"])
    cap = max(float(term.options.get("cap", 0.4)), 1 / layers)
    top = max(cap, *(row["weight"] for row in rows))
    st.markdown(f"**Weights of the teacher's layers, for {term.label}**")
    spec = {
        "data": {"values": rows},
        "mark": "rect",
        "encoding": {
            "x": {"field": "epoch", "type": "ordinal", "title": "epoch", "axis": {"labelAngle": 0, "labelOverlap": True}},
            "y": {
                "field": "layer", "type": "ordinal", "title": "layer", "sort": "descending", "axis": {"labelOverlap": False},
            },
            "color": {
                "field": "weight", "type": "quantitative", "title": "weight",
                "scale": {"domain": [0, top], "scheme": "viridis"},
                "legend": {"format": ".0%", "gradientLength": min(200, 22 * layers)},
            },
            "tooltip": [
                {"field": "epoch", "type": "ordinal"},
                {"field": "layer", "type": "ordinal"},
                {"field": "weight", "type": "quantitative", "format": ".1%"},
            ],
        },
        "height": max(150, 24 * layers + 60),
        "width": "container",
    }  # fmt: skip
    st.vega_lite_chart(cast(Any, spec), width="stretch")
    st.caption(f"Layer 1 is the shallowest. Were all alike, each would have {1 / layers:.0%}.")
