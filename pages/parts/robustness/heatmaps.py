"""How much each network's heatmap changes on every test set, beside what two unrelated images give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import engine, formatting
from pages.parts.components.dumbbell import dumbbell
from pages.parts.robustness import evaluation, measured
from pages.parts.robustness.evaluation import Running

if TYPE_CHECKING:
    from kdcore.inspection.robustness import Sensitivity
    from pages.parts.robustness.closer import Closer

IMAGES = 40


def show(closer: Closer) -> None:
    chosen = closer.chosen
    st.caption(
        "Cosine of a network's heatmap on the image and on the perturbed image: 1: it looks at the same places. *Other image*: the same for "
        "two unrelated images, which their centre bias makes alike. Heatmaps are each network's own."
    )
    conditions = tuple(card.usual for card in closer.cards.values() if not card.unavailable and not card.cached)
    running = _running(chosen.references, chosen.versions, conditions)
    if running.going and running.may_stop:
        st.button("Stop", icon=":material/stop:", on_click=running.stop, key="stop-heatmaps")
    elif not running.going and not running.done:
        st.button(
            "Continue the comparison" if running.found else f"Compare heatmaps on {IMAGES} images", icon=":material/play_arrow:", type="primary",
            on_click=running.start, args=(lambda: engine.heatmap_sensitivity(chosen.references, conditions, images=IMAGES),),
        )  # fmt: skip
    evaluation.follow(rows, running, closer)


@st.cache_resource(max_entries=12, show_spinner=False)
def _running(
    references: tuple[str, ...], versions: tuple[str, ...], conditions: tuple[str, ...]
) -> Running[list[Sensitivity]]:
    return Running()


def rows(running: Running[list[Sensitivity]], closer: Closer) -> None:
    if not (found := evaluation.result_so_far(running)):
        return
    by_condition: dict[str, list[Sensitivity]] = {}
    for each in found:
        by_condition.setdefault(each.condition, []).append(each)
    drawn = closer.chosen.drawn()
    dumbbell.draw(
        drawn,
        {"": [row(condition, found, closer) for condition, found in by_condition.items()]},
        lambda value: formatting.minus(f"{value:.2f}"),
        bar=closer.chosen.compared or (),
        last="Other image",
        key="robustness_heatmaps",
    )


def row(condition: str, found: list[Sensitivity], closer: Closer) -> dumbbell.Row:
    title, strength = measured.titled(condition, closer.cards)
    names = {each.reference: closer.chosen.name(each.reference) for each in found}
    controls = [each.control_cosine[0] for each in found if math.isfinite(each.control_cosine[0])]
    values = "; ".join(
        f"{names[each.reference]} {measured.in_words(each.cosine, '')}, other image {measured.in_words(each.control_cosine, '')}"
        for each in found
    )
    aligned = ". The maps were moved back with their tiles" if any(each.aligned for each in found) else ""
    return dumbbell.Row(
        id=condition, title=title, strength=strength, marks={each.reference: each.cosine for each in found},
        label=f"{title}. Cosine of heatmaps: {values}{aligned}.",
        gap=" to ".join(dict.fromkeys(formatting.minus(f"{end:.2f}") for end in (min(controls), max(controls)))) if controls else "",
    )  # fmt: skip
