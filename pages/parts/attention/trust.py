"""Which maps can be trusted: measurements of each on the bundled networks for `cues`, where the object's pixels are known."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd
import streamlit as st

from kdcore.paths import ASSETS
from pages.parts import formatting, palette
from pages.parts.attention import networks

if TYPE_CHECKING:
    from kdcore.inspection import Choice

FILE = ASSETS / "trust.json"
CONTROLS = {"centre": "A blob in the middle", "random": "Noise"}
TICKS = {  # test -> its column and its meaning
    "object": (
        "Object",
        "More of the map is on the object than of a uniform map and of a blob in the middle.",
    ),
    "faithful": (
        "Faithful",
        "Deleting its brightest patches changes the prediction more than deleting random ones, and more than deleting those of a "
        "blob in the middle.",
    ),
    "learnt": ("Learnt", "With random weights the map changes: less than half of the rank correlation is left."),
}
SIGNED = ["Beyond noise", "Beyond the blob", "Without weights"]  # columns whose numbers may be negative
MOST_MARGIN = 10.0  # no difference of shares, areas or correlations is as large
NOT_TESTED = -100.0  # of a control; a browser sorts an empty cell as 0
Measured = dict[str, Any]


def show(chosen: dict[str, Choice], map_name: str | None) -> None:
    """The figures of every map, for a network of a kind; beneath, those of the map that is shown.

    Args:
        chosen: heading -> network: those on the page; the first decides which figures come first.
        map_name: the map that is shown; None for each network's own.
    """
    if not FILE.is_file():
        st.info("There are no measurements: `python -m benchmarks.trust --write` makes them.", icon=":material/info:")
        return
    measured: Measured = json.loads(FILE.read_text(encoding="utf-8"))
    names = list(measured["models"])
    st.markdown(
        "A map is meant to show *what the network looks at*. On **cues**, whose images are drawn by code, the object's pixels are "
        "known, so this can be tested. The figures are of the bundled networks; for photos and other networks they are a hint."
    )
    name = _choose(measured["models"], _nearest(names, chosen))
    found: Measured = measured["models"][name]
    chance = next(iter(found.values()))["on_object"]
    st.caption(
        "✓: passed, by intervals over images that are corrected for the number of maps and tests (Holm); —: not passed. By chance a cell touches the object in "
        f"{_whole(chance['hits_by_chance'])} of cases, and a uniform map has {_whole(chance['by_chance'])} inside; a blob in the middle "
        f"{_whole(chance['centred'])}. The objects are near the middle, so a blob there is hard to beat."
    )
    st.dataframe(
        _table(found).style.format(_signed, SIGNED).format(_tick, [title for title, _ in TICKS.values()]),
        hide_index=True,
        width="stretch",
        height="content",
        placeholder="",
        column_config=_columns(),
    )
    st.caption(
        f"{measured['images']} test images, half of them for deletion, insertion and random weights; {measured['date']}, `{measured['command']}`."
    )
    if map_name in found:
        _one(found[map_name], networks.maps()[map_name].title, networks.family(name)[1])
    elif map_name is not None:
        st.caption(_why_not(map_name, name))


def _choose(measured: dict[str, Measured], nearest: str) -> str:
    """The network whose maps are shown."""
    picked = st.segmented_control(
        "Measured on",
        list(measured),
        default=nearest,
        required=True,
        format_func=lambda one: f"{networks.family(one)[1].capitalize()} ({_kind(measured[one])})",
        key="trust-model",
        bind="query-params",
    )
    return picked or nearest


def _columns() -> dict[str, Any]:
    """How each column is shown, with its meaning as help."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "Map": text(pinned=True),
        **{title: number(help=meaning, width="small", alignment="left") for title, meaning in TICKS.values()},
        "Inside": st.column_config.ProgressColumn(
            format="percent", min_value=0, max_value=1, help="The share of the map that is on the object."
        ),
        "Hits": number(
            format="percent", help="Pointing game: the share of images whose brightest cell touches the object."
        ),
        "Beyond noise": number(
            help="Insertion area - deletion area, minus the same for a random order. 0: no better than noise.",
        ),
        "Beyond the blob": number(
            help="The same, relative to a blob in the middle, which uses no network. 0: no better than the blob.",
        ),
        "Without weights": number(
            help="Rank correlation with the map of the same network with random weights. 1: the map does not depend on the "
            "learnt weights.",
        ),
        "Forwards": number(format="%.1f", help="Cost of a map in plain forward passes."),
    }


def _nearest(names: list[str], chosen: dict[str, Choice]) -> str:
    """The measured network that is shown, else one of its kind."""
    for choice in chosen.values():
        if choice.reference in names:
            return choice.reference
    only_cnns = all(choice.architecture == "cnn" for choice in chosen.values())
    return next((name for name in names if only_cnns and name.endswith("student")), names[0])


def _kind(found: Measured) -> str:
    cards = networks.maps()
    return "CNN" if all(cards[name].any_network for name in found if name in cards) else "ViT"


def _table(found: Measured) -> pd.DataFrame:
    """The maps that pass most first, then those with the most on the object; the controls last."""
    cards = networks.maps()
    maps = sorted((m for m in found if m in cards), key=lambda m: (-sum(found[m]["passes"].values()), -found[m]["on_object"]["inside"][0]))  # fmt: skip
    rows = []
    for name in (*maps, *CONTROLS):
        each = found[name]
        control = name in CONTROLS
        rows.append(
            {
                "Map": CONTROLS[name] if control else cards[name].title,
                **{title: NOT_TESTED if control else _rank(each, key) for key, (title, _) in TICKS.items()},
                "Inside": round(each["on_object"]["inside"][0], 2),
                "Hits": round(each["on_object"]["hits"][0], 2),
                "Beyond noise": round(each["margins"]["faithful"][0][0], 2) + 0.0,  # no -0.00
                "Beyond the blob": round(each["margins"]["faithful"][1][0], 2) + 0.0,
                "Without weights": each["cascade"][-1]["spearman"][0] if each["cascade"] else None,
                "Forwards": None if control else each["forwards"],
            }
        )
    return pd.DataFrame(rows)


def _rank(each: Measured, test: str) -> float:
    """By what the column of a test is sorted: what did not pass is below 0, and within both the larger effect is higher."""
    margin = min(mean for mean, _, _ in each["margins"][test])
    return margin + (MOST_MARGIN if each["passes"][test] else -MOST_MARGIN)


def _tick(rank: float) -> str:
    return "" if rank == NOT_TESTED else "✓" if rank > 0 else "—"


def _one(each: Measured, title: str, network: str) -> None:
    """The map that is shown, in words, and its rank correlation as the weights become random."""
    on = each["on_object"]
    words, drawn = st.columns([2, 3], gap="large")
    with words:
        st.markdown(f"**{title}** of the {palette.in_colour(network, network)}")
        st.markdown(
            f"- {_share(on['inside'])} of it is on the object; of a uniform map {_whole(on['by_chance'])}.\n"
            f"- Its brightest cell touches the object in {_share(on['hits'])} of the images; any cell in {_whole(on['hits_by_chance'])}.\n"
            f"- Deletion {_number(each['deletion'])} (lower is better), insertion {_number(each['insertion'])} (higher is better)."
        )
    if len(each["cascade"]) > 1:
        with drawn:
            _cascade(each["cascade"], palette.shade(network))


def _cascade(steps: list[Measured], colour: str) -> None:
    rows = pd.DataFrame(
        [
            {
                "layer": step["layer"],
                "mean": step["spearman"][0],
                "low": step["spearman"][1],
                "high": step["spearman"][2],
            }
            for step in steps
        ]
    )
    across = alt.X("layer:N", sort=list(rows["layer"]), title="weights are random from the last layer down to", axis=alt.Axis(labelAngle=-40, labelOverlap=False))  # fmt: skip
    base = alt.Chart(rows).encode(across)
    up = alt.Scale(domain=[min(-0.2, float(rows["low"].min())), 1])
    chart = alt.layer(
        base.mark_rule(color=colour, opacity=0.5).encode(
            alt.Y("low:Q", scale=up, title="rank correlation"), alt.Y2("high:Q")
        ),
        base.mark_line(color=colour, point=alt.OverlayMarkDef(color=colour)).encode(alt.Y("mean:Q", scale=up)),
    ).properties(height=280)
    st.altair_chart(chart, width="stretch")


def _why_not(map_name: str, network: str) -> str:
    """Why there are no figures of a map."""
    card = networks.maps()[map_name]
    if card.takes_query:
        return f"{card.title} is about one patch, not about the image, so it is not tested against the object."
    if card.any_network:
        return f"{card.title} was not measured yet: `python -m benchmarks.trust --write` measures all maps."
    return f"{card.title} is not measured on {network}. Networks that have it: {card.networks.title}."


def _whole(share: float) -> str:
    return formatting.percent(share, 0).replace(" ", "\u00a0")  # at which no line breaks


def _share(interval: list[float]) -> str:
    return "{:.0f} % ({:.0f} to {:.0f})".format(*(100 * value for value in interval))


def _number(interval: list[float]) -> str:
    return "{} ({} to {})".format(*map(_signed, interval))


def _signed(value: float) -> str:
    return "" if math.isnan(value) else formatting.minus(f"{value:.2f}")
