"""Charts of the method cards, as Vega-Lite: bars of soft labels, matrices of classes, curves."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import streamlit as st

from pages.parts import formatting, palette

Spec = dict[str, Any]
MOST_NAMES = 20  # classes named on an axis
NETWORK = "Network"
LINES = {"blue": "#1c83e1", "red": "#e0433f", "gray": "#8b909a"}  # no network's colour; names as in Markdown


def bars(labels: Mapping[str, np.ndarray], classes: Sequence[str], truth: int) -> None:
    """Soft labels [K] of each network side by side; the image's own class comes first, then by the first network's order."""
    first = next(iter(labels.values()))
    order = [truth, *(int(k) for k in np.argsort(-first) if k != truth)][:12]
    values = [
        {NETWORK: network.capitalize(), "class": classes[k], "probability": float(soft[k])}
        for network, soft in labels.items()
        for k in order
    ]
    spec = {
        "data": {"values": values},
        "mark": {"type": "bar", "cornerRadiusEnd": 2},
        "encoding": {
            "x": {"field": "class", "type": "nominal", "sort": None, "title": None, "axis": {"labelAngle": -40}},
            "y": {"field": "probability", "type": "quantitative", "title": None,
                  "axis": {"labelExpr": formatting.PERCENT_LABEL, "tickCount": 5},
                  "scale": {"domain": [0, 1]}},
            "xOffset": {"field": NETWORK, "sort": None},
            "color": _networks(list(labels)),
            "tooltip": [{"field": NETWORK}, {"field": "class"}, {"field": "probability", "format": ".1%"}],
        },
    }  # fmt: skip
    text = "; ".join(f"{n}: {formatting.percent(soft[truth], 0)} {classes[truth]}" for n, soft in labels.items())
    _draw(spec, 360, f"Soft labels of the image. {text}.")


def matrix(values: np.ndarray, classes: Sequence[str], network: str) -> None:
    """[K, K]: rows are true classes, columns predicted ones; NaN is blank. Colours are scaled to the largest entry."""
    named = len(classes) <= MOST_NAMES
    cells = [
        {"true": classes[row], "predicted": classes[column], "share": float(values[row, column])}
        for row, column in zip(*np.nonzero(np.isfinite(values)), strict=True)
    ]
    axis: Spec = {"labels": named, "ticks": False, "domain": False, "grid": False, "labelOverlap": False}
    spec = {
        "data": {"values": cells},
        "mark": {"type": "rect"},
        "encoding": {
            "x": {"field": "predicted", "type": "nominal", "sort": None, "title": "predicted class",
                  "scale": {"domain": list(classes)}, "axis": {**axis, "labelAngle": -50}},
            "y": {"field": "true", "type": "nominal", "sort": None, "title": "true class",
                  "scale": {"domain": list(classes)}, "axis": axis},
            "color": {"field": "share", "type": "quantitative", "legend": None,
                      "scale": {"domain": [0, float(np.nanmax(values))], "range": ["transparent", palette.shade(network)]}},
            "tooltip": [{"field": "true", "title": "true class"}, {"field": "predicted", "title": "predicted class"},
                        {"field": "share", "title": "mean probability", "format": ".1%"}],
        },
    }  # fmt: skip
    _draw(spec, 360, f"Mean soft label of each true class, {network}.")


def legend(names: Sequence[str]) -> None:
    """The names of the lines in their colours, once for several charts."""
    st.markdown("\u2003".join(f":{colour}[**━ {name}**]" for name, colour in zip(names, LINES, strict=False)))


def curves(lines: Mapping[str, Sequence[float]], x: Sequence[float], at: float, title: str, *, first: int = 0) -> None:
    """Lines over the temperature on two logarithmic axes, with a rule at the chosen one.

    Args:
        first: the index of the first line's colour.
    """
    values = [
        {"line": name, "temperature": t, "value": value}
        for name, line in lines.items()
        for t, value in zip(x, line, strict=True)
        if value > 0
    ]
    temperature = {"field": "temperature", "type": "quantitative", "title": "temperature",
                   "scale": {"type": "log", "nice": False}, "axis": {"values": [0.5, 1, 2, 4, 10, 20], "format": "~g", "grid": False}}  # fmt: skip
    colours = list(LINES.values())[first : first + len(lines)]
    spec = {
        "data": {"values": values},
        "title": {"text": title, "anchor": "start", "fontSize": 14, "fontWeight": "normal"},
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 2.5},
                "encoding": {
                    "x": temperature,
                    "y": {"field": "value", "type": "quantitative", "title": None, "scale": {"type": "log"},
                          "axis": {"format": "~g", "values": [10.0**power for power in range(-7, 5)]}},
                    "color": {"field": "line", "type": "nominal", "sort": None, "legend": None,
                              "scale": {"domain": list(lines), "range": colours}},
                    "tooltip": [{"field": "line", "title": "of"}, {"field": "temperature", "format": ".2g"},
                                {"field": "value", "format": ".3g"}],
                },
            },
            {
                "data": {"values": [{"temperature": at}]},
                "mark": {"type": "rule", "strokeDash": [4, 3], "color": LINES["gray"]},
                "encoding": {"x": temperature},
            },
        ],
    }  # fmt: skip
    _draw(spec, 280, title)


def share_bars(values: Mapping[str, float], title: str) -> None:
    """Horizontal bars on a logarithmic axis."""
    rows = [{"name": name, "value": value} for name, value in values.items() if value > 0]
    most = max(values.values())
    spec = {
        "data": {"values": rows},
        "title": {"text": title, "anchor": "start", "fontSize": 14, "fontWeight": "normal"},
        "mark": {"type": "bar", "cornerRadiusEnd": 3, "color": palette.shade("student")},
        "encoding": {
            "y": {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": {"labelFontSize": 13}},
            "x": {"field": "value", "type": "quantitative", "title": None, "axis": {"format": "~g", "grid": False, "tickCount": 5},
                  "scale": {"type": "log", "domain": [most * 1e-5, most * 1.2], "nice": False, "clamp": True}},
            "tooltip": [{"field": "name"}, {"field": "value", "format": ".3g"}],
        },
    }  # fmt: skip
    _draw(spec, 220, title)


def _networks(networks: Sequence[str]) -> Spec:
    return {
        "field": NETWORK, "type": "nominal", "sort": None, "title": None, "legend": {"orient": "top"},
        "scale": {"domain": [n.capitalize() for n in networks], "range": [palette.shade(n) for n in networks]},
    }  # fmt: skip


def _draw(spec: Spec, height: int, alt: str) -> None:
    st.vega_lite_chart(cast(Any, {**spec, "height": height, "width": "container"}), width="stretch", alt=alt)
