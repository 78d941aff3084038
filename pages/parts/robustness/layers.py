"""Similarity of the layers of two networks, as a matrix whose cells explain themselves."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import engine, formatting
from pages.parts.components.layer_matrix import layer_matrix
from pages.parts.robustness import evaluation
from pages.parts.robustness.evaluation import Running

if TYPE_CHECKING:
    from kdcore.inspection.robustness import Similarity
    from pages.parts.robustness.chosen import Chosen
    from pages.parts.robustness.closer import Closer

IMAGES = 500


def show(closer: Closer) -> None:
    chosen = closer.chosen
    st.caption(
        "Centred kernel alignment (CKA) on test images as they are: whether two layers hold the same images to be alike, from 0 to 1, "
        "whatever their widths. Compare *student and teacher* with *twin and teacher* to see whether distillation made the layers more alike."
    )
    pairs = pairs_of(chosen)
    picked = st.segmented_control(
        "Layers of", list(pairs), default=next(iter(pairs)), required=True, key="pair", bind="query-params"
    )
    one, other = pairs[picked or next(iter(pairs))]
    running = _running(one, other, chosen.versions)
    if not (running.found or running.going or running.trouble):
        running.start(lambda: engine.layer_similarity(one, other, images=IMAGES))
    evaluation.follow(matrix, running, chosen)


def pairs_of(chosen: Chosen) -> dict[str, tuple[str, str]]:
    """Each two networks, those with the teacher first: label -> references of rows and columns."""
    teacher = chosen.roles.get("teacher")
    others = [each for each in chosen.references if each != teacher]
    found = [(each, teacher) for each in others if teacher]
    found += [(one, other) for place, one in enumerate(others) for other in others[place + 1 :]]
    return {
        formatting.as_text(f"{chosen.heading(one)} and {chosen.heading(other).lower() if chosen.roles else chosen.heading(other)}"): (one, other)
        for one, other in found
    }  # fmt: skip


@st.cache_resource(max_entries=24, show_spinner=False)
def _running(one: str, other: str, versions: tuple[str, ...]) -> Running[Similarity]:
    return Running()


def matrix(running: Running[Similarity], chosen: Chosen) -> None:
    if (found := evaluation.result_so_far(running, retry=partial(_forget, running))) is None:
        return
    layer_matrix.draw(found.values, (chosen.name(found.one), found.rows), (chosen.name(found.other), found.columns))
    pooled = (
        f" Averaged over space, because memory required it: {formatting.as_text(', '.join(found.pooled))}."
        if found.pooled
        else ""
    )
    st.caption(f"{'So far ' if running.going else ''}{found.images} test images.{pooled}")


def _forget(running: Running[Similarity]) -> None:
    running.trouble = ""
