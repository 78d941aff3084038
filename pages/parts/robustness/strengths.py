"""Accuracy over the strength of a test set, live on a sample, with what the strength does to an image."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any, cast

import streamlit as st

from kdcore.errors import UserError
from pages.parts import engine, formatting, palette
from pages.parts.components import pictures
from pages.parts.robustness import measured
from pages.parts.robustness.chosen import Chosen

if TYPE_CHECKING:
    from kdcore.inspection.robustness import Live, SetCard
    from pages.parts.robustness.closer import Closer

IMAGES = 100  # of the sample: three networks answer in under half a second on two cores
AHEAD = 8  # strengths that are computed while nothing is to be done, those next to the chosen one first
BETWEEN = 4  # steps between two listed strengths that are no whole numbers
SIDE = 160  # pixels of a picture
KNOWN, REFRESHING = (
    "robustness-curve",
    "robustness-refreshing",
)  # in the session: points of curves; whether one refreshes itself
STEPPING = 0.3  # seconds of computing at a time
Spec = dict[str, Any]


def show(closer: Closer) -> None:
    """The sample at the chosen strength; the curve's other points follow one at a time."""
    try:
        now = answer(closer.chosen, closer.condition)
    except UserError as error:
        st.warning(formatting.message(str(error)), icon=":material/warning:")
        return
    left, right = st.columns([2, 3], gap="large")
    with left:
        before_and_after(closer, now)
        accuracies(closer.chosen, now)
    with right:
        waits = bool(unknown(closer))
        st.session_state[REFRESHING] = waits
        (st.fragment(curve, run_every="200ms") if waits else curve)(closer, now)
    if not waits:
        engine.accuracies_ahead(closer.chosen.references, nearest(closer), images=IMAGES)


def answer(chosen: Chosen, condition: str) -> Live:
    """Accuracies on the sample; remembered."""
    return _answer(condition, *chosen.key)


@st.cache_data(max_entries=400, show_spinner=False)
def _answer(condition: str, references: tuple[str, ...], versions: tuple[str, ...]) -> Live:
    return engine.accuracy_now(references, condition, images=IMAGES)


def before_and_after(closer: Closer, now: Live) -> None:
    title, strength = measured.titled(closer.condition, closer.cards)
    with st.container(horizontal=True, gap="small"):
        for pixels, words in ((now.clean_image, "As it is"), (now.perturbed, "Perturbed")):
            st.image(
                pictures.enlarged(pixels, SIDE),
                words,
                width=SIDE,
                alt=f"A test image, {words.lower()}: {title} {strength}",
            )


def accuracies(chosen: Chosen, now: Live) -> None:
    """Each network's accuracy now, and what the perturbation costs."""
    with st.grid(columns=len(chosen.networks), min_column_width=90, wrap=True, key="live-accuracies"):
        for heading, reference in chosen.networks.items():
            value, clean = now.accuracy[reference], now.clean[reference]
            st.metric(
                f":{chosen.colour(reference)}[{formatting.as_text(heading)}]", formatting.percent(value[0], 0),
                delta=measured.signed(100 * (value[0] - clean[0]), 0), delta_color="off", delta_arrow="off",
            )  # fmt: skip
    st.caption(
        f"Accuracy on a sample of {now.images} test images, and by how many percentage points it differs from that on the images as they are."
    )


def steps_of(card: SetCard) -> list[str]:
    """Conditions from weak to strong: the listed strengths, and between them whole numbers or a few even steps."""
    values = card.strengths
    if len(values) < 2 or card.cached:
        return list(card.conditions)
    found: list[float] = []
    for one, other in itertools.pairwise(values):
        if float(one).is_integer() and float(other).is_integer():
            step = 1 if other > one else -1
            between = [float(each) for each in range(int(one), int(other), step)]
        else:
            between = [one + (other - one) * place / BETWEEN for place in range(BETWEEN)]
        found += between
    return [f"{card.name}@{each:.6g}" for each in (*found, values[-1])]


def nearest(closer: Closer) -> list[str]:
    """The strengths of the slider beside the chosen one, the nearest first."""
    steps = steps_of(closer.card)
    here = steps.index(closer.condition)
    return sorted(steps, key=lambda each: abs(steps.index(each) - here))[1 : AHEAD + 1]


def listed(closer: Closer) -> list[str]:
    """The strengths of the curve."""
    return list(dict.fromkeys((*closer.card.conditions, closer.condition)))


def unknown(closer: Closer) -> list[str]:
    """The points of the curve that have not been computed."""
    known = st.session_state.get(KNOWN, {}).get(closer.chosen.key, set())
    return [each for each in listed(closer) if each not in known]


def curve(closer: Closer, now: Live) -> None:
    """The points that are known, and a few more each time."""
    known = st.session_state.setdefault(KNOWN, {}).setdefault(closer.chosen.key, set())
    draw_curve(closer, [each for each in listed(closer) if each in known])
    end = time.monotonic() + STEPPING
    for each in unknown(closer):
        try:
            answer(closer.chosen, each)
        except UserError as error:
            st.caption(formatting.message(str(error)))
            break
        known.add(each)
        if time.monotonic() > end:
            break
    else:
        if st.session_state.pop(REFRESHING, False):
            st.rerun()  # the whole part, so that it stops refreshing


def draw_curve(closer: Closer, points: list[str]) -> None:
    values = [
        {"strength": float(measured.split(each)[1] or 0), "network": network.name, "accuracy": 100 * found[0],
         "low": 100 * found[1], "high": 100 * found[2]}
        for each in points
        for network in closer.chosen.drawn()
        if (found := answer(closer.chosen, each).accuracy[network.key])
    ]  # fmt: skip
    st.vega_lite_chart(
        cast(Any, spec(values, closer, float(measured.split(closer.condition)[1] or 0))), width="stretch",
        alt=f"Accuracy over the strength of {closer.card.title}.",
    )  # fmt: skip


def spec(values: list[Spec], closer: Closer, at: float) -> Spec:
    """A line per network, and a rule at the chosen strength."""
    drawn = closer.chosen.drawn()
    strength: Spec = {"field": "strength", "type": "quantitative", "title": closer.card.parameter, "scale": {"domain": [min(closer.card.strengths), max(closer.card.strengths)], "nice": False},
                      "axis": {"grid": False, "format": "~g", "tickCount": 6}}  # fmt: skip
    colour: Spec = {
        "field": "network", "type": "nominal", "sort": None, "title": None, "legend": None,
        "scale": {"domain": [each.name for each in drawn], "range": [palette.hex_of(closer.chosen.colour(each.key)) for each in drawn]},
    }  # fmt: skip
    accuracy: Spec = {"type": "quantitative", "title": "accuracy, %", "scale": {"zero": True}, "axis": {"tickCount": 5}}
    return {
        "data": {"values": values},
        "height": 300,
        "layer": [
            {"data": {"values": [{"strength": at}]}, "mark": {"type": "rule", "strokeDash": [4, 3], "color": "gray", "strokeWidth": 2},
             "encoding": {"x": strength}},
            {"mark": {"type": "area", "opacity": 0.12}, "encoding": {"x": strength, "y": {**accuracy, "field": "low"}, "y2": {"field": "high"}, "color": colour}},
            {"mark": {"type": "line", "strokeWidth": 2.5, "point": {"filled": True, "size": 50}},
             "encoding": {"x": strength, "y": {**accuracy, "field": "accuracy"}, "color": colour,
                          "tooltip": [{"field": "network"}, {"field": "strength", "title": closer.card.parameter, "format": "~g"},
                                      {"field": "accuracy", "format": ".1f"}]}},
            {"transform": [{"filter": {"field": "strength", "equal": at}}], "mark": {"type": "point", "filled": True, "size": 160, "opacity": 1},
             "encoding": {"x": strength, "y": {**accuracy, "field": "accuracy"}, "color": colour}},
        ],
    }  # fmt: skip
