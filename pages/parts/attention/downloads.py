"""Maps and figures as files."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.parts.attention import networks
from pages.parts.components.attention_compare.attention_compare import FIGURES

if TYPE_CHECKING:
    from pages.parts.attention.comparison import ComparedPhoto
    from pages.parts.attention.photo_choice import Shown


def show(compared: ComparedPhoto, _offered: list[Shown]) -> None:
    stem = "".join(c if c.isalnum() else "-" for c in compared.shown.name)[:60]
    with st.container(horizontal=True):
        st.download_button(
            "Maps (NPZ)", maps(compared), f"{stem}-maps.npz", icon=":material/grid_on:", on_click="ignore"
        )
        st.download_button(
            "Figures (CSV)",
            figures(compared),
            f"{stem}-figures.csv",
            "text/csv",
            icon=":material/table:",
            on_click="ignore",
        )
    st.caption(
        "NPZ: the photo as a square, each network's map (sum 1) and the attention of every patch. CSV: predictions, agreement and "
        "the options of the maps. The picture as shown: “Save as PNG” under the photo."
    )


def maps(compared: ComparedPhoto) -> bytes:
    """`numpy.load` gives photo, HEADING_map and HEADING_patches."""
    arrays = {"photo": next(iter(compared.inspections.values())).photo}
    for heading, each in compared.inspections.items():
        arrays[f"{heading}_map"] = each.heatmap
        arrays[f"{heading}_patches"] = networks.affinity(
            compared.pixels, compared.digest, compared.chosen[heading].reference, **compared.place(heading)
        ).values
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    return packed.getvalue()


def figures(compared: ComparedPhoto) -> str:
    """A row a figure."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["photo", "changed", "network", "reference", "map", "figure", "value"])
    first = next(iter(compared.inspections.values()))
    for heading, each in compared.inspections.items():
        rows: list[tuple[str, float | str]] = [(f"probability of {name}", share) for name, share in each.predictions]
        if each is not first:
            rows += [
                (f"{FIGURES[key][0]} with {first.title}", value)
                for key, value in networks.agreement(first.heatmap, each.heatmap).items()
            ]
        if each.problem:
            rows.append(("problem", each.problem))
        for figure, value in rows:
            written = f"{value:.6g}" if isinstance(value, float) else value
            writer.writerow(
                [
                    compared.shown.name,
                    compared.perturbation,
                    heading,
                    each.reference,
                    networks.map_title(each),
                    figure,
                    written,
                ]
            )
    return text.getvalue()
