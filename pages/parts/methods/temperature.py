"""Temperature on real outputs: the soft labels of an image, class similarity, and the loss over temperatures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.parts import address, engine, palette
from pages.parts.components import pictures
from pages.parts.components.photo_strip.photo_strip import photo_strip
from pages.parts.formatting import minus, percent
from pages.parts.methods import charts, test_outputs

if TYPE_CHECKING:
    from kdcore.inspection.soft_labels import NetworkOutputs

SHOWN = 20  # images to choose from
PICKED = "method-image"  # in the address
Labels = dict[str, np.ndarray]  # network -> soft labels [n, K]


@dataclass(frozen=True)
class Picture:
    id: str
    name: str
    thumbnail: str


@st.fragment
def show() -> None:
    st.subheader("Change the temperature", anchor=False)
    st.markdown(
        "At temperature 1 a :violet[teacher]'s soft labels are nearly one-hot. A higher temperature shows which classes it finds "
        "*similar*. A :primary[student] that learns from soft labels learns this similarity too; its "
        ":orange[twin] is trained on labels only."
    )
    if (chosen := test_outputs.choose()) is None:
        return
    outputs, temperature, version = chosen
    soft_labels = engine.soft_labels()
    labels = {network: soft_labels.soft_labels(logits, temperature) for network, logits in outputs.logits.items()}
    one_image(outputs, labels)
    all_classes(outputs, labels)
    loss(outputs, temperature, version)


def one_image(outputs: NetworkOutputs, labels: Labels) -> None:
    """The soft labels of one image, with their entropy and divergence."""
    shown = [
        Picture(str(i), outputs.classes[outputs.targets[i]], pictures.data_url(outputs.images[i], 96))
        for i in range(min(SHOWN, len(outputs.targets)))
    ]
    picked = st.query_params.get(PICKED, "0")
    picked = picked if picked in {picture.id for picture in shown} else "0"
    photo_strip(shown, picked, lambda image: address.put({PICKED: image if image != "0" else ""}))
    i, soft_labels = int(picked), engine.soft_labels()
    chart, figures = st.columns([3, 1], gap="medium", vertical_alignment="center")
    with chart:
        charts.bars({n: soft[i] for n, soft in labels.items()}, outputs.classes, int(outputs.targets[i]))
    with figures:
        even = np.log(len(outputs.classes))
        rows = {
            f"Entropy, {palette.in_colour(n, n)}": f"{soft_labels.entropy(soft[i]):.2f} nats"
            for n, soft in labels.items()
        }
        gap = soft_labels.divergence(labels["teacher"][i], labels["student"][i])
        st.table({**rows, "KL, student from teacher": f"**{gap:.3f}** nats"}, border="horizontal")
        st.caption(f"Entropy is 0 for a one-hot label and {even:.2f} for a uniform one.")


def all_classes(outputs: NetworkOutputs, labels: Labels) -> None:
    """The class similarity of each network."""
    soft_labels = engine.soft_labels()
    known = {network: soft_labels.by_class(soft, outputs.targets) for network, soft in labels.items()}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("##### Class similarity")
        st.space("stretch")
        whole = st.toggle(
            "Show the diagonal",
            key="method-diagonal",
            bind="query-params",
            help="The true classes, far larger than the rest.",
        )
    st.caption(
        f"Mean soft label of {len(outputs.targets):,} test images by their true class. {nearest(outputs, known)}"
    )
    shown = {n: each if whole else np.where(np.eye(len(each), dtype=bool), np.nan, each) for n, each in known.items()}
    for column, (network, values) in zip(st.columns(len(shown), gap="medium"), shown.items(), strict=True):
        with column:
            st.markdown(palette.in_colour(network, f"**{network.capitalize()}**"))
            charts.matrix(values, outputs.classes, network)
            if network != "teacher":
                alike = minus(f"{soft_labels.class_agreement(known['teacher'], known[network]):.2f}")
                st.caption(f"Correlation with the teacher's: **{alike}** (without the diagonal).")


def nearest(outputs: NetworkOutputs, known: Labels) -> str:
    """The two most similar classes, as a sentence."""
    beside = np.where(np.eye(len(outputs.classes), dtype=bool), -1, np.nan_to_num(known["teacher"], nan=-1))
    row, column = np.unravel_index(beside.argmax(), beside.shape)
    return (
        f"For the teacher **{outputs.classes[row]}** is most similar to **{outputs.classes[column]}** "
        f"({percent(beside[row, column])})."
    )


def loss(outputs: NetworkOutputs, temperature: float, version: str) -> None:
    """The loss and its gradient norm over temperatures."""
    st.markdown("##### Why the loss is multiplied by the square of the temperature")
    found = test_outputs.over_temperatures("over_temperatures", outputs, version)
    names = {"scaled": "τ² KL, this method", "plain": "KL alone", "limit": "centred logits, its limit"}
    charts.legend(list(names.values()))
    for column, what, heading in zip(
        st.columns(2, gap="large"),
        ("loss", "gradient"),
        ("Loss, nats", "Gradient norm at an image's logits"),
        strict=True,
    ):
        with column:
            lines = {name: found[kind][what] for kind, name in names.items()}
            charts.curves(lines, test_outputs.CURVE, temperature, heading)
    gradient = {kind: np.interp((4, 20), test_outputs.CURVE, figures["gradient"]) for kind, figures in found.items()}
    st.caption(
        f"From temperature 4 to 20 the gradient of KL alone falls to {percent(gradient['plain'][1] / gradient['plain'][0], 0)} on these images; "
        f"multiplied by the square of the temperature it is at {percent(gradient['scaled'][1] / gradient['scaled'][0], 0)}, so a weight keeps its "
        "meaning. At a low temperature both are small because both networks are confident."
    )
