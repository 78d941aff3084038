"""The batch of a step that was clicked on a curve: its images, with each network's loss and prediction."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from kdcore.errors import UserError
from kdcore.store import RunState
from pages.parts import engine, formatting, palette
from pages.parts.components import pictures
from pages.parts.components.replay import replay

if TYPE_CHECKING:
    from kdcore.inspection.step_batch import StepBatch

FIRST = 12  # images that are shown, those with the largest losses first
SIDE = 144  # pixels of an image
OF_RECORDING = (
    "The recording has neither the batches of its steps nor the faint line of accuracy between the epochs: it holds no checkpoints and "
    "is from an earlier version. *Train it here* on Start makes a run with both."
)


def show(run: RunState) -> None:
    """The batch at the epoch that the cursor rests at; a hint where it rests nowhere."""
    if run.recorded:
        st.caption(OF_RECORDING)
        return
    epoch = replay.SETTINGS.read()["epoch"]
    if epoch is None or not run.steps:
        st.caption("Click a point of a curve to see the batch of that step: its images with losses and predictions.")
        return
    step = min(max(1, math.ceil(epoch * run.steps / run.epochs - 1e-6)), run.step)
    try:
        batch = engine.batch_of_step(run.id, step)
    except UserError as error:
        st.caption(formatting.message(str(error)))
        return
    st.subheader(f"The batch of step {batch.step:,} (epoch {batch.epoch:.2f})", anchor=False)
    order = by_loss(batch)
    shown = (
        order
        if len(order) <= FIRST or st.toggle(f"Show all {len(order)} images", key="whole-batch", bind="query-params")
        else order[:FIRST]
    )
    st.caption(
        f"{batch.count:,} images as augmented, those with the student's largest loss first. Loss: cross-entropy in nats where the "
        "label is known, else the divergence from the teacher; predictions are those before the step."
    )
    with st.grid(columns="auto", min_column_width=150, key="batch"):
        for i in shown:
            image(batch, i)


def by_loss(batch: StepBatch) -> list[int]:
    """The images in the order of the student's loss; those without a label by their divergence from the teacher, after the others."""
    losses = batch.cross_entropy["student"]
    divergence = batch.divergence.get("student", np.zeros(len(losses)))
    known = ~np.isnan(losses)
    found: list[int] = np.lexsort((-np.where(known, losses, divergence), ~known)).tolist()
    return found


def image(batch: StepBatch, i: int) -> None:
    """One image with its label and what each network predicted."""
    label = label_of(batch, i)
    with st.container(gap="xxsmall"):
        st.image(pictures.enlarged(batch.images[i], SIDE), width="stretch", alt=f"Training image: {label}")
        st.markdown(f"**{formatting.as_text(label)}**")
        for name in palette.NETWORKS:
            if name in batch.predicted:
                st.markdown(palette.in_colour(name, formatting.as_text(f"{name.capitalize()}: {says(batch, name, i)}")))


def label_of(batch: StepBatch, i: int) -> str:
    """The label of an image, of a mixed one both with their shares: `cat 70 % + dog 30 %`."""
    if batch.labels[i] < 0:
        return "no label"
    own = batch.classes[batch.labels[i]]
    if batch.other_labels is None or batch.other_labels[i] == batch.labels[i]:
        return own
    percent = round(100 * batch.share)
    return f"{own} {percent} % + {batch.classes[batch.other_labels[i]]} {100 - percent} %"


def says(batch: StepBatch, name: str, i: int) -> str:
    """A network's predicted class and its loss on an image."""
    predicted = batch.classes[batch.predicted[name][i]]
    for losses in (batch.cross_entropy, batch.divergence):
        if name in losses and np.isfinite(losses[name][i]):
            return f"{predicted}, {formatting.minus(f'{losses[name][i]:.2f}')}"
    return predicted
