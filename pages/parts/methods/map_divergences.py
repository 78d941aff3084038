"""Two small maps and every divergence between them: its value and the norm of its gradient."""

from __future__ import annotations

import cv2
import numpy as np
import streamlit as st

from pages.parts import engine
from pages.parts.methods import charts

PLACES = {
    "a small spot": ((0.35, 0.35, 0.12),),
    "a wide spot": ((0.35, 0.35, 0.3),),
    "an adjacent spot": ((0.5, 0.55, 0.12),),
    "a distant spot": ((0.8, 0.8, 0.12),),
    "two spots": ((0.35, 0.35, 0.12), (0.8, 0.7, 0.12)),
    "uniform": ((0.5, 0.5, 9.0),),
}  # name -> spots as (row, column, width), shares of the side
GRIDS = (4, 7, 14)
SIDE = 280  # pixels, a multiple of every grid's
MEANING = {
    "kl": "KL(teacher || student)",
    "js": "the same, symmetric, never above 0.69",
    "l2": "squared difference of unit vectors",
    "mse": "squared difference of the maps",
}


@st.fragment
def show() -> None:
    st.subheader("Compare two maps", anchor=False)
    st.markdown(
        "Both maps sum to 1, so on a finer grid each cell is smaller. A mean squared error squares and averages these small "
        "numbers: it nearly vanishes, and so does its gradient. A divergence of distributions does not."
    )
    first, second, third = st.columns([2, 2, 1], gap="large")
    teacher = first.selectbox("Map of the teacher", list(PLACES), 0, key="maps-teacher", bind="query-params")
    student = second.selectbox("Map of the student", list(PLACES), 2, key="maps-student", bind="query-params")
    picked = third.segmented_control(
        "Cells",
        GRIDS,
        default=GRIDS[-1],
        required=True,
        format_func=lambda g: f"{g}²",
        key="maps-grid",
        bind="query-params",
    )
    grid = picked or GRIDS[-1]
    maps = {"teacher": drawn(teacher, grid), "student": drawn(student, grid)}
    found = engine.soft_labels().map_divergences(maps["teacher"], maps["student"])
    pictured, measured = st.columns([2, 3], gap="large")
    with pictured.container(horizontal=True):
        most = max(float(each.max()) for each in maps.values())
        for network, each in maps.items():
            st.image(coloured(each / most), caption=network.capitalize(), width=168)
    if teacher == student:
        measured.info("The two maps are equal: the gradient is 0.")
        return
    with measured:
        gradients = {name: gradient for name, (_, gradient) in found.items()}
        charts.share_bars(gradients, "Gradient norm at the student's map")
    say(found, grid)


def drawn(name: str, grid: int) -> np.ndarray:
    whole = np.sum([engine.soft_labels().spot(grid, *spot) for spot in PLACES[name]], axis=0)
    return whole / whole.sum()


def coloured(heat: np.ndarray) -> np.ndarray:
    """A map, 0 to 1, as pixels [SIDE, SIDE, 3], one square per cell; the colours of the heatmaps on other pages."""
    places = cv2.resize((255 * heat).astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    return cv2.cvtColor(cv2.applyColorMap(places, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)


def say(found: dict[str, tuple[float, float]], grid: int) -> None:
    """The numbers as a table."""
    strongest = found["kl"][1]
    rows = [
        {
            "Divergence": f"`{name}`",
            "Value": f"{value:.3g}",
            "Gradient norm": f"{gradient:.3g}",
            "Relative to kl": "1" if name == "kl" else f"1 / {strongest / gradient:,.0f}",
        }
        for name, (value, gradient) in found.items()
    ]
    st.table(rows, border="horizontal", hide_index=True)
    st.caption(" · ".join(f"`{name}` {MEANING[name]}" for name in found))
    st.caption(
        f"On {grid * grid} cells a weight of 1 on `kl` contributes as much as one of {strongest / found['mse'][1]:,.0f} on `mse`."
    )
