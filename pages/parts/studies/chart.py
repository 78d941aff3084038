"""Charts of a study: each variant's accuracy and difference with intervals, as Vega-Lite."""

import json
import textwrap
from collections.abc import Iterable
from typing import Any

import streamlit as st

from kdcore.results.comparison import Figure, Summary, ends
from pages.parts import formatting, palette

ROW = 44  # pixels per variant
LABEL, LINES = 28, 3  # characters of a line of a variant's name, and lines
Values = list[dict[str, Any]]


def draw(summaries: dict[str, Summary]) -> None:
    """Two charts: accuracy of the networks, and student − twin with a line at 0."""
    accuracies = [
        {"variant": label, "network": network.capitalize(), **plain(figure), "interval": formatting.interval(figure)}
        for label, summary in summaries.items()
        for network in palette.NETWORKS
        if network in summary.networks
        for figure in (summary.networks[network]["top1"],)
    ]
    gaps = [
        {"variant": label, **plain(found), "interval": ends(found) if found.bounded else found.why}
        for label, summary in summaries.items()
        if (found := summary.difference)
    ]
    left, right = st.columns(2, gap="large") if gaps else (st.container(), None)
    names = list(summaries)
    with left:
        there = [
            name for name in palette.NETWORKS if any(value["network"] == name.capitalize() for value in accuracies)
        ]
        legend = " &ensp; ".join(palette.in_colour(name, f"● {name.capitalize()}") for name in there)
        st.markdown(f"**Test accuracy, %** &emsp; {legend}")
        colours = {
            "field": "network", "type": "nominal", "legend": None,
            "scale": {"domain": [name.capitalize() for name in there], "range": [palette.shade(name) for name in there]},
        }  # fmt: skip
        chart(accuracies, names, colours, there, description(summaries))
        st.caption(f"{point(summaries.values())} {bars(accuracies, '95 % intervals', 'has no interval')}".rstrip())
    if right:
        with right:
            st.markdown("**Student − twin, percentage points**")
            chart(gaps, names, {"value": palette.shade("student")}, [], "Student − twin of each variant", zero=True)
            st.caption(
                f"Dashed: no difference. {bars(gaps, 'the intervals of the sentences above', 'has no conclusion')}".rstrip()
            )


def point(summaries: Iterable[Summary]) -> str:
    """What a point of the chart of accuracies is."""
    seeds = {summary.seeds for summary in summaries}
    return "A point is one run." if seeds == {1} else "A point is the mean over the finished seeds."


def bars(values: Values, what: str, without: str) -> str:
    """What the bars of a chart are, as far as there are any, and what a point without one has not."""
    bounded = ["low" in value for value in values]
    parts = [f"Bars: {what}."] if any(bounded) else []
    return " ".join([*parts, *([] if all(bounded) else [f"A point without a bar {without}."])])


def plain(figure: Figure) -> dict[str, float]:
    """In percent; without low and high where there is no interval."""
    interval = {"low": 100 * figure.low, "high": 100 * figure.high} if figure.bounded else {}
    return {"mean": 100 * figure.mean, **interval}


def chart(
    values: Values, names: list[str], colour: dict[str, Any], networks: list[str], alt: str, *, zero: bool = False
) -> None:
    """A row per variant, with its networks one under another."""
    y: dict[str, Any] = {
        "field": "variant", "type": "nominal", "title": None, "sort": names,
        "axis": {"labelLimit": 190, "ticks": False, "domain": False, "labelExpr": in_lines(names)},
    }  # fmt: skip
    offset = {"yOffset": {"field": "network", "sort": [name.capitalize() for name in networks]}} if networks else {}
    x = {
        "type": "quantitative", "title": None, "scale": {"zero": zero, "nice": True}, "axis": {"tickCount": 6, "labelOverlap": "greedy"},
    }  # fmt: skip
    tooltip: list[dict[str, str]] = [{"field": "variant"}, *([{"field": "network"}] if networks else [])]
    tooltip += [{"field": "mean", "format": ".1f"}, {"field": "interval"}]
    shared = {"y": y, **offset, "color": colour, "tooltip": tooltip}
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": "isValid(datum.low)"}],
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {**shared, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "opacity": 1, "size": 70},
            "encoding": {**shared, "x": {**x, "field": "mean"}},
        },
    ]
    if zero:
        line = {"mark": {"type": "rule", "strokeDash": [4, 4], "color": "gray"}, "encoding": {"x": {"datum": 0}}}
        layers.insert(0, line)
    spec = {
        "data": {"values": values},
        "layer": layers,
        "height": {"step": ROW / max(1, len(networks))} if networks else {"step": ROW},
        "autosize": {"type": "fit-x", "contains": "padding"},
    }
    st.vega_lite_chart(spec, width="stretch", alt=alt)


def in_lines(names: list[str]) -> str:
    """A Vega expression that writes each name in lines, so that those which begin alike can be told apart."""
    lines = {name: textwrap.wrap(name, LABEL, max_lines=LINES, placeholder=" …") for name in names}
    return f"{json.dumps(lines)}[datum.label]"


def description(summaries: dict[str, Summary]) -> str:
    means = ", ".join(
        f"{label} {formatting.percent(summary.networks['student']['top1'].mean)}"
        for label, summary in summaries.items()
    )
    return f"Test accuracy of each variant's networks with 95 % intervals; the student's: {means}"
