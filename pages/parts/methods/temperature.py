"""Temperature on real answers: the soft labels of an image, what a teacher takes to be alike, and what it does to the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.parts import engine, palette
from pages.parts.components import pictures
from pages.parts.components.photo_strip.photo_strip import photo_strip
from pages.parts.formatting import percent
from pages.parts.methods import charts
from pages.parts.methods import test_outputs as asked

if TYPE_CHECKING:
    from kdcore.inspection.soft_labels import Answers

SHOWN = 20  # images to choose from
PICKED = "method-image"  # in the session's state
Labels = dict[str, np.ndarray]  # network -> soft labels [n, K]


@dataclass(frozen=True)
class Picture:
    id: str
    name: str
    thumbnail: str


@st.fragment
def show() -> None:
    st.subheader("Turn the temperature", anchor=False)
    st.markdown(
        "A :violet[teacher]'s answer is more than a class. At temperature 1 it is nearly sure of one; the higher the "
        "temperature, the more is seen of what it takes the image to be *like*. A :primary[student] that learns from such soft "
        "labels learns that likeness too; its :orange[twin], which learned from labels alone, has to find its own."
    )
    if (chosen := asked.choose()) is None:
        return
    answers, temperature, version = chosen
    door = engine.answers()
    labels = {network: door.soft_labels(logits, temperature) for network, logits in answers.logits.items()}
    one_image(answers, labels)
    all_classes(answers, labels)
    loss(answers, temperature, version)


def one_image(answers: Answers, labels: Labels) -> None:
    """The soft labels of one image, and how much they say."""
    shown = [
        Picture(str(i), answers.classes[answers.targets[i]], pictures.data_url(answers.images[i], 96))
        for i in range(min(SHOWN, len(answers.targets)))
    ]
    picked = st.session_state.get(PICKED, "0")
    picked = picked if picked in {picture.id for picture in shown} else "0"
    photo_strip(shown, picked, lambda image: st.session_state.update({PICKED: image}))
    i, door = int(picked), engine.answers()
    chart, figures = st.columns([3, 1], gap="medium", vertical_alignment="center")
    with chart:
        charts.bars({n: soft[i] for n, soft in labels.items()}, answers.classes, int(answers.targets[i]))
    with figures:
        even = np.log(len(answers.classes))
        rows = {
            f"Entropy, {palette.in_colour(n, n)}": f"{door.entropy(soft[i]):.2f} nats" for n, soft in labels.items()
        }
        gap = door.divergence(labels["teacher"][i], labels["student"][i])
        st.table({**rows, "KL, student from teacher": f"**{gap:.3f}** nats"}, border="horizontal")
        st.caption(f"Entropy is 0 for a sure answer and {even:.2f} where all classes are alike.")


def all_classes(answers: Answers, labels: Labels) -> None:
    """Which classes each network takes to be alike."""
    door = engine.answers()
    known = {network: door.by_class(soft, answers.targets) for network, soft in labels.items()}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("##### What is like what")
        st.space("stretch")
        whole = st.toggle("With the right answers", key="method-diagonal", help="They outshine everything else.")
    st.caption(
        f"Mean soft label of {len(answers.targets):,} test images by their true class. {nearest(answers, known)}"
    )
    shown = {n: each if whole else np.where(np.eye(len(each), dtype=bool), np.nan, each) for n, each in known.items()}
    for column, (network, values) in zip(st.columns(len(shown), gap="medium"), shown.items(), strict=True):
        with column:
            st.markdown(palette.in_colour(network, f"**{network.capitalize()}**"))
            charts.matrix(values, answers.classes, network)
            if network != "teacher":
                alike = round(door.likeness(known["teacher"], known[network]), 2) + 0.0  # no -0.00
                st.caption(f"Agrees with the teacher's to **{alike:.2f}** (correlation beside the diagonal).")


def nearest(answers: Answers, known: Labels) -> str:
    """The likest two classes, in words."""
    beside = np.where(np.eye(len(answers.classes), dtype=bool), -1, np.nan_to_num(known["teacher"], nan=-1))
    row, column = np.unravel_index(beside.argmax(), beside.shape)
    return (
        f"To the teacher nothing is more alike than **{answers.classes[row]}** to **{answers.classes[column]}** "
        f"({percent(beside[row, column])})."
    )


def loss(answers: Answers, temperature: float, version: str) -> None:
    """How the loss and its pull change with the temperature."""
    st.markdown("##### Why the loss is multiplied by the square of the temperature")
    found = asked.over_temperatures("over_temperatures", answers, version)
    names = {"scaled": "τ² KL, this method", "plain": "KL alone", "limit": "centred logits, its limit"}
    charts.legend(list(names.values()))
    for column, what, heading in zip(
        st.columns(2, gap="large"),
        ("loss", "pull"),
        ("Loss, nats", "Pull on an image's logits (length of the gradient)"),
        strict=True,
    ):
        with column:
            lines = {name: found[kind][what] for kind, name in names.items()}
            charts.curves(lines, asked.CURVE, temperature, heading)
    pull = {kind: np.interp((4, 20), asked.CURVE, figures["pull"]) for kind, figures in found.items()}
    st.caption(
        f"From temperature 4 to 20 the pull of KL alone falls to {pull['plain'][1] / pull['plain'][0]:.0%} on these images; "
        f"times the square of the temperature it comes to {pull['scaled'][1] / pull['scaled'][0]:.0%}, so a weight keeps its "
        "meaning. At a low temperature both are small because both networks are nearly sure."
    )
