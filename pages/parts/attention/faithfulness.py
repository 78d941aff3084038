"""Faithfulness of the maps: deletion and insertion curves, on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from kdcore.errors import UserError
from pages.parts import formatting, palette
from pages.parts.attention import networks

if TYPE_CHECKING:
    import numpy as np

    from kdcore.inspection import Faithfulness
    from pages.parts.attention.comparison import ComparedPhoto
    from pages.parts.attention.photo_choice import Shown

WORDS = {
    "deletion": (
        "Deleted, the map's strongest patches first",
        "A faithful map makes the probability fall before the dashed line does.",
    ),
    "insertion": (
        "Shown, the map's strongest patches first",
        "A faithful map makes it rise before the dashed line does.",
    ),
}
ORDERS = ("by the map", "from the middle")


def show(compared: ComparedPhoto, _offered: list[Shown]) -> None:
    found: dict[str, Faithfulness] = {}
    with st.spinner("Deleting and inserting patches", show_time=True):
        for heading in compared.inspections:
            request, reference = compared.requests[heading], compared.chosen[heading].reference
            try:
                found[heading] = networks.faithfulness(compared.pixels, compared.digest, reference, **request)
            except UserError as error:
                st.caption(f"{formatting.as_text(heading)}: {formatting.message(str(error))}")
    if not found:
        return
    for column, (kind, (title, means)) in zip(st.columns(2, gap="large"), WORDS.items(), strict=True):
        with column:
            st.markdown(f"**{title}**  \n{means}")
            st.vega_lite_chart(spec(compared, found, kind), width="stretch")
    st.table(rows(compared, found))
    st.caption(
        "The probability of the explained class (of the predicted class, where a map depends on no class), averaged over "
        "the curve. Dashed: patches from the middle outwards, which needs no network. A map that does not beat its dashed line "
        "is no better here than patches from the middle outwards. Deleted patches take the photo's mean colour; shown patches are placed on "
        "a blurred photo."
    )


def spec(compared: ComparedPhoto, found: dict[str, Faithfulness], kind: str) -> dict[str, Any]:
    """Curves in each network's colour; dashed from the middle outwards."""
    values = [
        {"share": 100 * float(share), "probability": 100 * float(value), "network": heading, "order": order}
        for heading, each in found.items()
        for order, curve in zip(ORDERS, getattr(each, kind), strict=True)
        for share, value in zip(each.shares, curve, strict=True)
    ]
    colours = [palette.shade(compared.role(heading)) for heading in found]
    return {
        "data": {"values": values},
        "height": 280,
        "mark": {"type": "line", "strokeWidth": 2.5},
        "encoding": {
            "x": {"field": "share", "type": "quantitative", "title": "Share of the photo (%)"},
            "y": {"field": "probability", "type": "quantitative", "title": "Probability (%)", "scale": {"domain": [0, 100]}},
            "color": {"field": "network", "scale": {"domain": list(found), "range": colours}, "legend": {"title": None, "orient": "bottom"}},
            "strokeDash": {"field": "order", "scale": {"domain": ORDERS, "range": [[1, 0], [4, 4]]}, "legend": None},
        },
    }  # fmt: skip


def rows(compared: ComparedPhoto, found: dict[str, Faithfulness]) -> list[dict[str, str]]:
    return [
        {
            "Network": formatting.as_text(heading),
            "Map": formatting.as_text(networks.map_title(compared.inspections[heading])),
            "Deletion (lower is better)": _areas(each.deletion_area),
            "Insertion (higher is better)": _areas(each.insertion_area),
        }
        for heading, each in found.items()
    ]


def _areas(area: np.ndarray) -> str:
    by_map, middle = (formatting.percent(float(value), 0) for value in area)
    return f"{by_map}, from the middle {middle}"
