"""The charts of a report as SVG, from Vega-Lite specifications: they open without a network connection."""

import math
import re
from collections.abc import Sequence
from typing import Any

from kdcore.results.bias import measures
from kdcore.results.bias.measure import Measure
from kdcore.results.comparison.figure import Figure
from kdcore.robustness import conditions
from kdcore.robustness.conditions import CLEAN, Condition
from kdcore.robustness.report.evaluating import probing
from kdcore.robustness.report.findings import INDEPENDENT, TEACHER, Findings
from kdcore.robustness.report.networks import Direction

COLOURS = {"independent": "#b8621b", "student": "#1c6fb8", "teacher": "#7a4fc0"}
GREY = "#8a8f98"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
WIDTH, ROW = 150, 17  # pixels of a panel, and of a row in it
FARTHEST = 1.5  # of the axis of transfers, on both sides of its middle
Values = list[dict[str, Any]]


def all_of(found: Findings) -> dict[str, tuple[str, str]]:
    """Every chart of a report: name -> title and SVG."""
    specs: dict[str, tuple[str, dict[str, Any]]] = {}
    for place, direction in enumerate(found.evaluated.directions, start=1):
        start = f"{direction.title}: " if direction.title else ""
        own = {
            "transfer": ("where the students stand between independent student (0) and teacher (1)", transfers(found, direction)),
            "accuracy": ("accuracy on each test set", dumbbells(found, direction)),
            "shape-bias": ("shape bias on cue conflicts", shape_bias(found, direction)),
            "consistency": ("same predicted class on scrambled patches", consistency(found, direction)),
            "errors": ("errors shared with the teacher (Cohen's kappa)", errors(found, direction)),
            "calibration": ("calibration error", calibration(found, direction)),
        }  # fmt: skip
        for name, (title, spec) in own.items():
            if spec:
                text = start + title
                specs[f"{name}-{place}"] = (text[0].upper() + text[1:], spec)
    return {name: (title, svg(spec)) for name, (title, spec) in specs.items()}


def svg(spec: dict[str, Any]) -> str:
    """A Vega-Lite specification as SVG."""
    import vl_convert  # takes tenths of a second

    config = {
        "font": FONT, "background": "white", "padding": {"left": 60, "top": 5, "right": 20, "bottom": 5}, "view": {"stroke": "#e4e6ea"}, "facet": {"spacing": 14},
        "axis": {"gridColor": "#eef0f3", "domain": False, "tickColor": "#c8ccd2", "labelColor": "#444", "labelLimit": 230},
        "header": {"labelFontWeight": "bold", "labelColor": "#222", "title": None},
    }  # fmt: skip
    return _plain(vl_convert.vegalite_to_svg({**spec, "config": config}))


def _plain(svg: str) -> str:
    """The same picture at half the size: without a text for each mark, and with ids counted from 1, which otherwise are counted
    on from one picture of a process to the next."""
    svg = re.sub(r' (?:role|aria-label|aria-roledescription|aria-hidden|pointer-events)="[^"]*"', "", svg)
    found = dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg))
    new = {old: f"part{number}" for number, old in enumerate(found, start=1)}
    return re.sub(r'(\bid="|url\(#|href="#)([^")]+)', lambda place: place[1] + new.get(place[2], place[2]), svg)


def dumbbells(found: Findings, direction: Direction) -> dict[str, Any]:
    """A row per test set, a panel per method: accuracy of independent student and student, with the teacher's as a mark."""
    order, values = [], []
    for condition in _there(found):
        row = conditions.title(condition)
        shown: Values = []
        for method in direction.methods:
            each = [
                found.number(direction.title, name, condition, measures.accuracy)
                for name in (INDEPENDENT, method.title, TEACHER)
            ]
            independent, student, teacher = (100 * one.estimate.mean if one else math.nan for one in each)
            shown.append({
                "set": row, "panel": method.title, "independent": round(independent, 2), "student": round(student, 2),
                "teacher": round(teacher, 2),
            })  # fmt: skip
        if shown and all(math.isfinite(one["student"]) for one in shown):
            order.append(row)
            values += shown
    y = {"field": "set", "type": "nominal", "sort": order, "title": None}
    x = {"type": "quantitative", "title": "accuracy, %", "scale": {"domain": [0, 100]}, "axis": {"tickCount": 4}}

    def mark(kind: str, **look: Any) -> dict[str, Any]:
        encoding = {"y": y, "x": {**x, "field": kind}, "color": _colour(kind)}
        return {"mark": {"type": "point", "filled": True, "opacity": 1, "size": 42, **look}, "encoding": encoding}

    between = {"y": y, "x": {**x, "field": "independent"}, "x2": {"field": "student"}}
    layers = [
        {"mark": {"type": "rule", "strokeWidth": 2, "color": "#bcd"}, "encoding": between},
        mark("teacher", type="tick", thickness=3, size=12),
        mark("independent"),
        mark("student"),
    ]
    return _faceted(values, layers, [each.title for each in direction.methods], order)


def transfers(found: Findings, direction: Direction) -> dict[str, Any]:
    """A row per question, a panel per method: where the student stands, with its interval; hollow where nothing is shown."""
    order = [each.title for each in found.questions]
    values: Values = []
    for claim in found.claims:
        share = claim.transfer.share
        if claim.direction == direction.title and share.defined:
            values.append({
                "set": claim.question.title, "panel": claim.method, **_drawn(share),
                "shown": claim.transfer.kind in ("passes on", "moves away"),
            })  # fmt: skip
    if not values:
        return {}
    y = {"field": "set", "type": "nominal", "sort": order, "title": None, "scale": {"domain": order}}
    scale = {"domain": [0.5 - FARTHEST, 0.5 + FARTHEST]}
    x = {"type": "quantitative", "title": None, "scale": scale, "axis": {"tickCount": 5}}
    colour = {"condition": {"test": "datum.shown", "value": COLOURS["student"]}, "value": GREY}
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "rule", "color": COLOURS[kind], "strokeDash": [3, 3]}, "encoding": {"x": {**x, "datum": end}}}
        for kind, end in (("independent", 0), ("teacher", 1))
    ]
    layers += [
        {
            "mark": {"type": "rule", "clip": True, "strokeWidth": 2},
            "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": colour},
        },
        {
            "mark": {"type": "point", "clip": True, "filled": True, "size": 46, "opacity": 1},
            "encoding": {"y": y, "x": {**x, "field": "value"}, "color": colour},
        },
    ]
    return _faceted(values, layers, [each.title for each in direction.methods], order)


def shape_bias(found: Findings, direction: Direction) -> dict[str, Any]:
    return _dots(found, direction, _there(found), measures.shape_bias)


def consistency(found: Findings, direction: Direction) -> dict[str, Any]:
    return _dots(found, direction, probing(_there(found), "structure"), measures.consistency)


def errors(found: Findings, direction: Direction) -> dict[str, Any]:
    """With a line at the error consistency of two independent students."""
    between = found.between.get(direction.title)
    return _dots(found, direction, [CLEAN], measures.error_consistency, line=between[0] if between else None)


def calibration(found: Findings, direction: Direction) -> dict[str, Any]:
    there = _there(found)
    chosen = [each for probes in ("noise", "structure", "frequency", "texture") for each in probing(there, probes)[:1]]
    return _dots(found, direction, [CLEAN, *chosen][:4], measures.calibration)


def _dots(
    found: Findings, direction: Direction, chosen: Sequence[Condition], measure: Measure, line: float | None = None
) -> dict[str, Any]:
    """A row per network, a panel per condition: a measure with its 95 % interval; nothing where no network has it."""
    names = [INDEPENDENT, *(each.title for each in direction.methods), TEACHER]
    factor = 100 if measure.unit == "share" else 1
    values = _measured(found, direction, chosen, measure, names)
    if not values:
        return {}
    title = "Cohen's kappa" if measure is measures.error_consistency else measure.title.lower()
    title += ", %" if factor == 100 else ""
    y = {"field": "set", "type": "nominal", "sort": names, "title": None}
    x = {"type": "quantitative", "title": title, "axis": {"tickCount": 5}, "scale": {"zero": False}}
    colour = {
        "field": "kind", "type": "nominal", "legend": None,
        "scale": {"domain": list(COLOURS), "range": list(COLOURS.values())},
    }  # fmt: skip
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": colour},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 46, "opacity": 1},
            "encoding": {"y": y, "x": {**x, "field": "value"}, "color": colour},
        },
    ]
    if line is not None:
        layers.insert(0, {
            "mark": {"type": "rule", "strokeDash": [4, 3], "color": GREY},
            "encoding": {"x": {"datum": factor * line, "type": "quantitative"}},
        })  # fmt: skip
    panels = list(dict.fromkeys(each["panel"] for each in values))
    return _faceted(values, layers, panels, [name for name in names if any(each["set"] == name for each in values)])


def _measured(
    found: Findings, direction: Direction, chosen: Sequence[Condition], measure: Measure, names: Sequence[str]
) -> Values:
    """A measure of each network under each condition, with its interval, where it has one."""
    factor = 100 if measure.unit == "share" else 1
    values: Values = []
    for condition in chosen:
        for name in names:
            each = found.number(direction.title, name, condition, measure)
            if each and each.estimate.defined:
                kind = name if name in (INDEPENDENT, TEACHER) else "student"
                values.append(
                    {"set": name, "panel": conditions.title(condition), "kind": kind, **_drawn(each.estimate, factor)}
                )
    return values


def _drawn(figure: Figure, factor: int = 1) -> dict[str, float]:
    """The point and the ends of its interval, where it has one: without them only the point is drawn."""
    ends = {"low": figure.low, "high": figure.high} if figure.bounded else {}
    return {key: round(factor * number, 3) for key, number in {"value": figure.mean, **ends}.items()}


def _faceted(values: Values, layers: list[dict[str, Any]], panels: list[str], rows: list[str]) -> dict[str, Any]:
    if not values:
        return {}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"values": values},
        "facet": {"column": {"field": "panel", "type": "nominal", "sort": panels}},
        "spec": {"width": WIDTH, "height": ROW * max(2, len(rows)), "layer": layers},
    }


def _colour(kind: str) -> dict[str, Any]:
    return {
        "datum": kind, "type": "nominal", "legend": {"title": None, "orient": "top"},
        "scale": {"domain": list(COLOURS), "range": list(COLOURS.values())},
    }  # fmt: skip


def _there(found: Findings) -> list[Condition]:
    missing = found.evaluated.missing
    return [each for each in found.evaluated.conditions if each not in missing]
