"""A preview of the training data: a few augmented images with their labels."""

import numpy as np
import streamlit as st

from kdcore.errors import UserError
from kdcore.recipe import DataRecipe
from pages.parts import engine, formatting
from pages.parts.components import pictures
from pages.parts.roles import role

SHOWN = 6
WIDTH = 96  # pixels on the screen: six in a row of the form, three on a phone
SIDE = 192


def show(data: DataRecipe, key: str) -> None:
    """A switch and, when it is on, the images: the operator's. The data is loaded only then, since that may take a moment."""
    if not role.is_operator():
        return
    line = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    if not line.toggle("Preview training images", key=f"preview-{key}", help="With the augmentation of this recipe."):
        return
    turn = f"preview-turn-{key}"
    line.button("Show others", icon=":material/casino:", type="tertiary", on_click=lambda: _next(turn))
    try:
        urls, labels = _pictures(data.model_dump_json(), st.session_state.get(turn, 0))
    except UserError as error:
        st.info(formatting.message(str(error)), icon=":material/image_not_supported:")
        return
    with st.container(horizontal=True, gap="small"):  # a narrow screen has two rows of them
        for url, label in zip(urls, labels, strict=True):
            st.image(url, caption=label, width=WIDTH)


def _next(turn: str) -> None:
    st.session_state[turn] = st.session_state.get(turn, 0) + 1


@st.cache_data(max_entries=16, show_spinner="Loading training images …")
def _pictures(data_json: str, seed: int) -> tuple[list[str], list[str]]:
    found = engine.preview(DataRecipe.model_validate_json(data_json), SHOWN, seed)
    labels = [_caption(label, truth) for label, truth in zip(found.labels, found.truths, strict=True)]
    return [pictures.data_url(_enlarged(image), SIDE) for image in found.images], labels


def _caption(label: str | None, truth: str) -> str:
    """The label that the student gets; where that is missing or wrong, also the true class."""
    if label is None:
        return f"no label (:gray[{formatting.as_text(truth)}])"
    shown = formatting.as_text(label)
    return shown if label == truth else f"{shown} (:red[wrong: {formatting.as_text(truth)}])"


def _enlarged(image: np.ndarray) -> np.ndarray:
    """Each pixel as a block of pixels, so that a small image is not blurred."""
    times = max(1, SIDE // max(image.shape[:2]))
    return image.repeat(times, axis=0).repeat(times, axis=1)
