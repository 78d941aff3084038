"""Agreement of two networks' maps over a test split, class by class, beside its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.parts import formatting, palette

if TYPE_CHECKING:
    from kdcore.inspection.gallery import ClassRow, Survey

FIGURES = {  # metric of the agreement -> name, sign of more agreement, meaning
    "js": ("JS divergence", -1, "0: the same map. 0.69: nothing in common."),
    "centred": ("Correlation", 1, "Pearson's, over the cells. 1: the same map. 0: no relation."),
    "spearman": ("Rank correlation", 1, "Spearman's. 1: the cells in the same order. 0: no relation."),
    "ssim": ("Structural similarity", 1, "SSIM over windows of 3 x 3 cells. 1: the same map."),
    "iou@20": ("Overlap of hot spots", 1, "Of the brightest fifth of each map, the share in both."),
    "cosine": ("Cosine", 1, "1: the same map. Rarely below 0.5, whatever the maps."),
}


def show(found: Survey, first: str, other: str) -> None:
    """Agreement by class beside its controls, with a sentence on all images."""
    figure = st.selectbox(
        "Figure",
        list(FIGURES),
        format_func=lambda name: FIGURES[name][0],
        key="gallery-figure",
        bind="query-params",
        width=240,
    )
    title, sign, meaning = FIGURES[figure]
    seen, against = formatting.as_text(other.lower()), formatting.as_text(first.lower())
    rows = _by_class(found, f"{id(found)} {len(found)}")
    whole, better = rows[0].controlled, "above" if sign > 0 else "below"
    if whole is None:
        st.info("Fewer than two images have a map from both networks.", icon=":material/info:")
        return
    st.markdown(_sentence(rows[0], figure, sign, first, other))
    st.table(
        [_plain(row, figure, first, other) for row in rows],
        border="horizontal",
        hide_index=True,
    )
    st.caption(
        f"**{title}.** {meaning} *Other image*: the {seen}'s map against the {against}'s of another image, of the same class in "
        "the rows of classes. *Centre*: the other network is replaced by a blob in the middle. *Untrained*: the same architecture with "
        f"random weights. *Beyond chance*: same image - other image, with a 95 % interval over images; {better} 0 is more agreement."
    )


@st.cache_data(max_entries=12, show_spinner="Comparing the maps with those of other images")
def _by_class(_found: Survey, key: str) -> list[ClassRow]:
    from kdcore.inspection.gallery import by_class

    return by_class(_found)


def _sentence(row: ClassRow, figure: str, sign: int, first: str, other: str) -> str:
    """The row of all images in words."""
    assert row.controlled is not None
    found = row.controlled[figure]
    first, other = formatting.as_text(first), formatting.as_text(other)
    both = f"{palette.in_colour('teacher', first)} and {palette.in_colour('student', other)}"
    figures = f"{_number(found.paired)} on the same image, {_number(found.shuffled)} on two different ones"
    match found.shown(sign):
        case "more":
            return f"{both} agree more on the **same image** than on different ones: {figures}."
        case "less":
            return f"{both} agree **less** on the same image than on different ones: {figures}."
        case "few":
            return f"{both}: {figures}. No conclusion from {found.count} images."
        case "nothing":
            return f"{both}: this figure has no value for their maps."
    return (
        f"{both}: {figures}. The interval of the difference contains 0, so the agreement may be **centre bias** rather than "
        "something seen in the image."
    )


def _plain(row: ClassRow, figure: str, first: str, other: str) -> dict[str, str]:
    found = row.controlled[figure] if row.controlled else None
    gain = [formatting.minus(f"{value:+.3f}") for value in found.gain] if found else []
    return {
        "Class": f"**{row.name}**" if row.name == "all" else formatting.as_text(row.name),
        "Images": str(row.count),
        f"{formatting.as_text(first)} right": formatting.percent(row.teacher_top1, 0),
        f"{formatting.as_text(other)} right": formatting.percent(row.student_top1, 0),
        "Same image": _number(found.paired if found else None),
        "Other image": _number(found.shuffled if found else None),
        "Centre": _number(found.centre if found else None),
        "Untrained": _number(found.untrained if found else None),
        "Beyond chance": f"{gain[0]} ({gain[1]} to {gain[2]})".replace(" ", formatting.HARD) if gain else "no maps",
    }


def _number(value: float | None) -> str:
    if value is None or not np.isfinite(value):
        return ""
    return formatting.minus(f"{value:.2f}")
