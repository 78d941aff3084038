"""Charts by class: accuracy or gain, and the confusion matrix. Of many classes, the ten worst and the ten best."""

from typing import Any, cast

import numpy as np
import streamlit as st

from kdcore.results.predictions import ClassRow
from pages.parts import formatting, palette

ENDS = 10  # classes from either end that are shown ...
ALL = 2 * ENDS  # ... where there are more than so many
ROW, FEW = 22, 5  # pixels; so few classes get twice as much
OTHER = "other classes"
Spec = dict[str, Any]


def gains(rows: list[ClassRow]) -> None:
    """Student - twin by class, largest gain first; without a twin the student's accuracy."""
    twin = rows[0].gain is not None
    ordered = sorted(rows, key=lambda row: -shown_value(row))
    shown = ordered if len(ordered) <= ALL else [*ordered[:ENDS], *ordered[-ENDS:]]
    title = "Student − twin by class, percentage points" if twin else "Accuracy of the student by class, %"
    some = f": the {ENDS} largest and the {ENDS} smallest of {len(rows)}" if len(shown) < len(rows) else ""
    st.markdown(f"**{title}**{some}")
    draw(bars(shown, twin), f"{title}{some}; most: {shown[0].name}, least: {shown[-1].name}")
    if twin:
        st.caption(
            "No claim about a single class: each has few images, and among many classes some differ by chance. Hover for the "
            "images that only one of the two gets right."
        )


def shown_value(row: ClassRow) -> float:
    return row.top1["student"] if row.gain is None else row.gain


def bars(rows: list[ClassRow], twin: bool) -> Spec:
    """A bar per class in the given order; below zero in the twin's colour."""
    values = [
        {
            "class": row.name, "value": 100 * shown_value(row), "images": row.images,
            **{name: 100 * share for name, share in row.top1.items()},
            **({"only student right": row.only_student, "only twin right": row.only_twin} if twin else {}),
        }
        for row in rows
    ]  # fmt: skip
    tooltip: list[Spec] = [{"field": "class"}, {"field": "images"}]
    tooltip += [{"field": name, "title": f"{name}, %", "format": ".1f"} for name in rows[0].top1]
    tooltip += [{"field": f"only {name} right"} for name in ("student", "twin")] if twin else []
    colour: Spec = {"value": palette.shade("student")}
    if twin:
        colour = {"condition": {"test": "datum.value < 0", "value": palette.shade("twin")}, **colour}
    return {
        "data": {"values": values},
        "mark": {"type": "bar", "cornerRadiusEnd": 2},
        "encoding": {
            "y": {"field": "class", "type": "nominal", "sort": None, "title": None,
                  "axis": {"labelLimit": 140, "ticks": False, "domain": False, "labelOverlap": False}},
            "x": {"field": "value", "type": "quantitative", "title": None, "axis": {"tickCount": 5}},
            "color": colour,
            "tooltip": tooltip,
        },
        "height": {"step": ROW if len(rows) > FEW else 2 * ROW},
    }  # fmt: skip


def confusion(counts: np.ndarray, classes: tuple[str, ...], network: str) -> None:
    """The matrix [K, K] as shares of each true class; of many classes, the rows and columns of the ten with least accuracy."""
    names, shown = selected(counts, classes)
    totals = shown.sum(axis=1, keepdims=True)
    shares = shown / np.maximum(totals, 1)
    cells = [
        {"true": names[i], "predicted": column, "share": float(shares[i, j]), "images": int(shown[i, j])}
        for i in range(len(shown))
        for j, column in enumerate([*names, OTHER][: shown.shape[1]])
        if shown[i, j]
    ]
    if len(shown) < len(classes):
        st.caption(f"The {len(shown)} classes with the least accuracy of {len(classes)}; the CSV has all.")
    columns = [*names, OTHER][: shown.shape[1]]
    axis: Spec = {"ticks": False, "domain": False, "grid": False, "labelOverlap": False, "labelLimit": 110}
    spec = {
        "data": {"values": cells},
        "mark": {"type": "rect"},
        "encoding": {
            "x": {"field": "predicted", "type": "nominal", "sort": None, "title": "predicted class",
                  "scale": {"domain": columns}, "axis": {**axis, "labelAngle": -50}},
            "y": {"field": "true", "type": "nominal", "sort": None, "title": "true class",
                  "scale": {"domain": names}, "axis": axis},
            "color": {"field": "share", "type": "quantitative", "legend": None,
                      "scale": {"domain": [0, 1], "range": ["transparent", palette.shade(network)]}},
            "tooltip": [{"field": "true", "title": "true class"}, {"field": "predicted", "title": "predicted class"},
                        {"field": "images"}, {"field": "share", "title": "of the true class", "format": ".1%"}],
        },
        "height": {"step": ROW if len(names) > FEW else 2 * ROW},
    }  # fmt: skip
    draw(
        spec,
        f"Confusion matrix of the {network}, {formatting.percent(np.trace(counts) / counts.sum())} on the diagonal",
    )


def selected(counts: np.ndarray, classes: tuple[str, ...]) -> tuple[list[str], np.ndarray]:
    """The classes that are shown, and their counts; of many classes [10, 11], the last column being all other predictions."""
    if len(classes) <= ALL:
        return list(classes), counts
    totals = counts.sum(axis=1)
    accuracy = np.where(totals > 0, np.diag(counts) / np.maximum(totals, 1), np.inf)
    places = np.sort(np.argsort(accuracy, kind="stable")[:ENDS])
    own = counts[np.ix_(places, places)]
    rest = counts[places].sum(axis=1, keepdims=True) - own.sum(axis=1, keepdims=True)
    return [classes[place] for place in places], np.concatenate([own, rest], axis=1)


def draw(spec: Spec, alt: str) -> None:
    st.vega_lite_chart(cast(Any, {**spec, "width": "container"}), width="stretch", alt=alt)
