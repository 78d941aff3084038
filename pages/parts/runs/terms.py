"""The loss terms of a run: small shares of the gradient, changed weights, layer weights and the terms' own metrics."""

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
MOST_SUMMED = 3  # layers, until others are chosen
Figures = dict[str, dict[str, dict[int, float]]]  # term -> name -> the teacher's layer -> newest value
RENAMED = {"held-out loss": "validation loss"}  # in runs of earlier versions
USED = "kept"  # the figure that says whether a layer is used


def show(run_id: str) -> None:
    """Draw what the run logged about its terms; nothing if it logged nothing."""
    store = engine.store()
    run, recipe, series = store.state(run_id), store.recipe(run_id), store.series(run_id)
    idle_terms(run)
    panels = figure_panels(recipe, series)
    rankings = layer_figures(recipe, series)
    if not (panels or rankings or run.layer_weights or run.adaptations):
        return
    st.subheader("Loss terms during the run", anchor=False)
    if run.adaptations:
        adapted(run)
    if panels:
        live_chart([run], panels, key=f"figures-{run_id}")
    tables = [term for term in recipe.terms if term.label in rankings]
    heats = [term for term in recipe.terms if any(entry["term"] == term.label for entry in run.layer_weights)]
    columns = st.columns(2, gap="large") if len(tables) + len(heats) > 1 else [st.container()]
    for place, term in enumerate(tables):
        with columns[place % len(columns)]:
            layer_table(term, rankings[term.label])
    for place, term in enumerate(heats, start=len(tables)):
        with columns[place % len(columns)]:
            layer_heat(run, term)
            layer_sum(run, term)


def idle_terms(run: RunState) -> None:
    """A hint for each term whose share of the gradient is small; of a finished run, `faults` has it beside the result."""
    if not run.gradients or run.results:
        return
    newest = run.gradients[-1]
    for term, weight in newest["idle"].items():
        st.info(
            f"**{formatting.as_text(term)} contributes {share(newest['shares'][term])} of the gradient at its present weight.** "
            "That is its share, not its effect, which only a run without it shows. At a "
            f"weight of about {rounded(weight)} it would contribute as much as the other terms.",
            icon=":material/hourglass_disabled:",
        )


def share(fraction: float) -> str:
    return "less than 0.1 %" if fraction < 0.001 else formatting.percent(fraction)


def rounded(number: float) -> str:
    """Two significant digits, written out: `720`, `0.031`, `12,000`."""
    value = float(f"{number:.2g}")
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:g}"


def adapted(run: RunState) -> None:
    """The changes of weights, the latest first."""
    lines = [
        f"- Epoch {change['epoch']:.0f}: the weight of **{formatting.as_text(change['term'])}** was lowered to **{change['factor']:.3g}** "
        f"times the recipe's value. :gray[{formatting.as_text(change['reason'])}.]"
        for change in reversed(run.adaptations)
    ]
    if len(lines) > SHOWN_CHANGES:
        lines[SHOWN_CHANGES:] = [f"- and {len(lines) - SHOWN_CHANGES} earlier ones; the CSV download has all"]
    st.markdown("\n".join(lines))


def figure_panels(recipe: Recipe, series: Mapping[str, Any]) -> list[Panel]:
    """A panel per metric that terms log, with a line per term."""
    lines: dict[str, list[Line]] = {}
    for place, term in enumerate(recipe.terms):
        colour = palette.TERM_COLOURS[place % len(palette.TERM_COLOURS)]
        start = f"figure/{term.label}/"
        for name in series:
            if name.startswith(start) and "/" not in (figure := name.removeprefix(start)):
                lines.setdefault(RENAMED.get(figure, figure), []).append(Line(term.label, colour, name))
    return [
        Panel(figure.replace("_", " ").capitalize(), tuple(own), note="after each epoch")
        for figure, own in lines.items()
    ]


def layer_figures(recipe: Recipe, series: Mapping[str, Any]) -> Figures:
    """The newest of the metrics that terms log for each teacher layer."""
    found: Figures = {}
    for term in recipe.terms:
        start = f"figure/{term.label}/"
        for name, (_, values) in series.items():
            figure, slash, layer = name.removeprefix(start).rpartition("/")
            if name.startswith(start) and slash and layer.isdecimal():
                found.setdefault(term.label, {}).setdefault(figure, {})[int(layer)] = float(values[-1])
    return found


def layer_table(term: Term, figures: dict[str, dict[int, float]]) -> None:
    """The teacher's layers in the order of a term's ranking."""
    st.markdown(f"**Teacher layers ranked by {formatting.as_text(term.label)}**")
    by = str(option(term, "by"))
    ranked = sorted({n for row in figures.values() for n in row}, key=lambda n: (-figures.get(by, {}).get(n, 0.0), n))
    columns: dict[str, list[str]] = {"Feature map": [str(layer) for layer in ranked]}
    chosen = ""
    if USED in figures:
        columns["Used"] = ["✓" if figures[USED].get(layer) else "" for layer in ranked]
        chosen = f"The {int(np.nansum(list(figures[USED].values())))} with the highest {by.replace('_', ' ')} are used as hints. "
    for name, row in figures.items():
        if name != USED:
            values = [f"{row[layer]:.3g}" if layer in row else "" for layer in ranked]
            columns[name.replace("_", " ").capitalize()] = values
    st.table(columns, border="horizontal")
    st.caption(f"{chosen}Feature maps are counted from 0, the shallowest, as in the recipe's `pairs`.")


def option(term: Term, name: str) -> Any:
    """An option of a term: as the recipe sets it, else the method's default; None where the method has no such option."""
    method = engine.methods().get(term.method)
    defaults = {known.name: known.default for known in method.options} if method else {}
    return term.options.get(name, defaults.get(name))


def layer_heat(run: RunState, term: Term) -> None:
    """A term's weights of the teacher's layers over the epochs, on a fixed colour scale."""
    entries = [entry for entry in run.layer_weights if entry["term"] == term.label]
    rows = [
        {"epoch": round(entry["epoch"]), "layer": layer, "weight": weight}
        for entry in entries
        for layer, weight in enumerate(entry["weights"], start=1)
    ]
    layers = len(entries[-1]["weights"])
    cap = max(float(option(term, "cap") or 0), 1 / layers)
    top = max(cap, *(row["weight"] for row in rows))
    st.markdown(f"**Weights of the teacher's layers, for {formatting.as_text(term.label)}**")
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
                "legend": {"labelExpr": formatting.PERCENT_LABEL, "gradientLength": min(200, 22 * layers)},
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
    st.caption(f"Layer 1 is the shallowest. Uniform weights would be {formatting.percent(1 / layers, 0)}.")


def layer_sum(run: RunState, term: Term) -> None:
    """The weight that chosen layers have together, over the epochs; at first the three that have the largest weights now."""
    entries = [entry for entry in run.layer_weights if entry["term"] == term.label]
    newest = entries[-1]["weights"]
    layers = list(range(1, len(newest) + 1))
    largest = sorted(sorted(layers, key=lambda layer: -newest[layer - 1])[:MOST_SUMMED])
    chosen = st.multiselect(
        f"Sum of layers, for {formatting.as_text(term.label)}",
        layers,
        largest,
        key=f"layers-{term.label}",
        bind="query-params",
    )
    if not chosen:
        return
    points = [
        {"epoch": entry["epoch"], "sum": sum(entry["weights"][layer - 1] for layer in chosen)} for entry in entries
    ]
    spec = {
        "data": {"values": points},
        "mark": {"type": "line", "point": True, "color": palette.shade("teacher")},
        "encoding": {
            "x": {"field": "epoch", "type": "quantitative", "scale": {"domain": [0, max(run.epochs, 1)]}},
            "y": {
                "field": "sum", "type": "quantitative", "title": "sum of weights", "scale": {"domain": [0, 1]},
                "axis": {"labelExpr": formatting.PERCENT_LABEL},
            },
        },
        "height": 180, "width": "container",
    }  # fmt: skip
    st.vega_lite_chart(cast(Any, spec), width="stretch")
    uniform = formatting.percent(len(chosen) / len(layers), 0)
    st.caption(f"Now {formatting.percent(points[-1]['sum'], 0)}; uniform weights would sum to {uniform}.")
