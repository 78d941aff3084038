"""The maps of every layer and head as thumbnails to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from kdcore.errors import UserError
from pages.parts import formatting
from pages.parts.attention import networks
from pages.parts.components import pictures
from pages.parts.components.loading import component, sent

if TYPE_CHECKING:
    from kdcore.inspection import Atlas
    from pages.parts.attention.comparison import ComparedPhoto
    from pages.parts.attention.photo_choice import Shown

KEY = "attention_layers"

_component = component(KEY)


def show(compared: ComparedPhoto, _offered: list[Shown]) -> None:
    headings = [heading for heading, each in compared.inspections.items() if each.layers > 1 or each.heads > 1]
    if not headings:
        title = networks.maps()[next(iter(compared.inspections.values())).map_name].title
        st.info(
            f"{title} is one map for the whole network. Choose a map of one layer above, such as class-token attention "
            "or Grad-CAM."
        )
        return
    heading = headings[0]
    if len(headings) > 1:
        heading = (
            st.segmented_control(
                "Of the network", headings, default=headings[0], required=True, key="layers-of", bind="query-params"
            )
            or headings[0]
        )
    with st.spinner("Computing all layers", show_time=True):
        try:
            found = networks.atlas(
                compared.pixels, compared.digest, compared.chosen[heading].reference, **compared.requests[heading]
            )
        except UserError as error:
            st.warning(formatting.message(str(error)), icon=":material/warning:")
            return
    draw(compared, heading, found)
    for term, shares in networks.layer_weights(compared.chosen[heading].reference):
        if len(shares) != len(found.maps) or compared.role(heading) != "teacher":
            listed = ", ".join(formatting.percent(share, 0) for share in shares)
            st.caption(
                f"The run's term “{term}” shared its weight among the teacher's layers, first to last: {listed}."
            )


def draw(compared: ComparedPhoto, heading: str, found: Atlas) -> None:
    """A row a layer. A click sets layer and head above, so the comparison follows."""
    inspection = compared.inspections[heading]
    densities = [pictures.density(layer) for layer in found.maps]
    most = pictures.scale_for(densities)
    weights = next((w for _, w in networks.layer_weights(compared.chosen[heading].reference)
                    if compared.role(heading) == "teacher" and len(w) == len(found.maps)), None)  # fmt: skip
    layer = inspection.layers - 1 if inspection.layer is None else inspection.layer
    _component(
        key=KEY,
        data={
            "most": most,
            "heads": inspection.heads,
            "chosen": [layer, inspection.head],
            "photo": pictures.data_url(inspection.photo, side=96),
            "weights": weights,
            "rows": [
                [
                    {
                        "grid": heat.shape,
                        "values": pictures.packed(values, most),
                        "entropy": None if np.isnan(entropy) else round(entropy, 2),
                    }
                    for heat, values, entropy in zip(maps, packed, entropies, strict=True)
                ]
                for maps, packed, entropies in zip(found.maps, densities, found.entropy, strict=True)
            ],
        },
        on_picked_change=lambda: _pick(compared, heading),
    )
    st.caption(
        f"{heading}: {networks.maps()[found.map_name].title}. Under each: its entropy, from 0.00 (one cell) to 1.00 "
        f"(uniform). Bright: {most} times the map's average or more. Click one to compare it above."
        + (" Bars: how the run's distillation shared its weight among these layers." if weights else "")
    )


def _pick(compared: ComparedPhoto, heading: str) -> None:
    """Set the two selection boxes; they count layers in the deepest network."""
    deepest = max(each.layers for each in compared.inspections.values())
    own, heads = compared.inspections[heading].layers, compared.inspections[heading].heads
    match sent(KEY, "picked", list):
        case [int(layer), int(head)] if layer in range(own) and head in range(max(1, heads)):
            if own > 1:
                st.session_state["layer"] = 1 + round(layer / (own - 1) * (deepest - 1))
            if heads > 1:
                st.session_state["head"] = head + 1
