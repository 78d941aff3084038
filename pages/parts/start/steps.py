"""The steps of the walk: each draws one thing to do, with the bundled networks for drawn images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from kdcore.data import datasets
from kdcore.errors import UserError
from pages.parts import engine, formatting, page_table, palette
from pages.parts.attention import camera, comparison, networks, photo_choice
from pages.parts.components import pictures
from pages.parts.components.attention_compare.attention_compare import COVERING
from pages.parts.methods import charts, test_outputs
from pages.parts.teaching.controls import ATTENTION, style

if TYPE_CHECKING:
    from kdcore.inspection.robustness import Live, SetCard
    from kdcore.inspection.soft_labels import NetworkOutputs
    from pages.parts.attention.networks import Trio

OFFERED = 4  # classes to guess from
SIDE = 240  # pixels of an image
TEMPERATURES = (1, 2, 3, 4, 6, 8, 12, 20)
SAMPLE = "star"  # whose tip is covered
HIDDEN = ["change", "view", "display", "point"]  # of the comparison
IMAGES = 200  # of a test set: as many as a visitor's computing allows


def guess() -> None:
    """Guess what the twin predicts; then all three are shown."""
    outputs = of_drawings()
    place, found = image(outputs), predicted(outputs)
    true, twin = int(outputs.targets[place]), int(found["twin"][place].argmax())
    order = [int(k) for k in np.argsort(-found["twin"][place])]
    offered = sorted(dict.fromkeys([true, *order]).keys(), key=lambda k: (k != true, order.index(k)))[:OFFERED]
    left, right = st.columns([1, 2], gap="large")
    with left:
        show_image(outputs, place)
    with right:
        st.markdown(
            f"The {violet('teacher')} is large. The {teal('student')} is small and learnt from the teacher's outputs. The "
            f"{orange('twin')} is the same small network, trained without the teacher. Which shape does the twin see?"
        )
        names = sorted(outputs.classes[k] for k in offered)
        picked = st.pills("The twin sees a", names, key="guess", bind="query-params")
        if picked:
            said = outputs.classes[twin]
            st.markdown(
                f"{'Right' if picked == said else 'No'}: the twin sees **{formatting.as_text(said)}**. It is {a(outputs.classes[true])}."
            )
            charts.bars({role: found[role][place] for role in palette.NETWORKS}, outputs.classes, true)


def turn() -> None:
    """Turn the temperature: the teacher's soft labels of the same image."""
    outputs = of_drawings()
    place = image(outputs)
    left, right = st.columns([1, 2], gap="large")
    with left:
        show_image(outputs, place)
    with right:
        st.markdown(
            f"A label gives one shape alone. The outputs of the {violet('teacher')} also contain how similar it is to every other "
            "shape, but hardly visibly. Divide them by a **temperature**: turn it up and see."
        )
        temperature = st.select_slider("Temperature", TEMPERATURES, 1, key="turned", bind="query-params")
        soft = engine.soft_labels().soft_labels(outputs.logits["teacher"][place], temperature)
        true = int(outputs.targets[place])
        charts.bars({"teacher": soft}, outputs.classes, true)
        other = max((k for k in range(len(soft)) if k != true), key=lambda k: soft[k])
        st.caption(
            f"Next to {a(outputs.classes[true])}, the teacher finds it most like {a(outputs.classes[other])} "
            f"({formatting.percent(soft[other])}). This is what the student learns and its twin does not: dark knowledge."
        )


def cover() -> None:
    """Cover patches of a sample: the comparison of Attention, without its toolbars."""
    st.markdown(
        "Tap the star's upper tip, in any picture, to cover it, then the patch below; tap again to uncover. Try the middle too. "
        "**Which network needs which part?** The bright spots are where each network looks; the bars are its predictions, now and before."
    )
    st.html(f"<style>{style(ATTENTION, HIDDEN)}</style>")
    look_at_sample()


@st.fragment
def look_at_sample() -> None:
    trio = drawings()
    shown = photo_choice.sample_of(trio.id, SAMPLE)
    if shown is None:
        raise UserError("The sample of a star is not part of this installation.")
    named = {role.capitalize(): choice for role, choice in trio.networks.items()}
    compared = comparison.with_map(shown, named, networks.first_choice())
    comparison.draw(compared, COVERING)


def test() -> None:
    """Choose a test set: how many of its images each network recognises."""
    trio = drawings()
    references = tuple(trio.networks[role].reference for role in palette.NETWORKS if role in trio.networks)
    cards = sets(references)
    st.markdown(
        f"All three were trained on images of drawn shapes. Choose how these are changed: **does the {teal('student')} keep its "
        f"{violet('teacher')}'s abilities, or fall back to its {orange('twin')}'s?**"
    )
    titles = {card.title: card for card in cards}
    picked = st.pills("Test images", list(titles), key="tested", bind="query-params")
    if not picked:
        return
    now = measured(references, titles[picked].usual, test_outputs.version(trio))
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        for pixels, words in ((now.clean_image, "As trained"), (now.perturbed, picked)):
            st.image(pictures.enlarged(pixels, SIDE // 2), words, width=SIDE // 2, alt=f"A test image: {words}")
        for role, reference in zip(palette.NETWORKS, references, strict=False):
            value, clean = now.accuracy[reference][0], now.clean[reference][0]
            st.metric(
                palette.in_colour(role, role.capitalize()), formatting.percent(value, 0), width=120,
                delta=f"was {formatting.percent(clean, 0)}", delta_color="off", delta_arrow="off",
            )  # fmt: skip
    st.caption(f"Accuracy on {now.images} test images. All test sets with their intervals are on Robustness.")


def own_photo() -> None:
    """The way to Attention."""
    st.markdown(
        "Now something of your own: a photo, or an object that you hold up to the camera. You see where each network looks and "
        "what it predicts. These networks have few classes, and each prediction is one of them, whatever the photo shows."
    )
    with st.container(horizontal=True):
        page_table.go_button(
            "Use the live camera", ":material/videocam:", page_table.ATTENTION, **{camera.SOURCE: camera.LIVE}
        )


def drawings() -> Trio:
    """Teacher, student and twin for drawn images, which need no download. Raises UserError where there are none."""
    found = networks.trios(networks.choices())
    for name in datasets.names("drawn"):
        if name in found and set(palette.NETWORKS) <= set(found[name].networks):
            return found[name]
    raise UserError("The bundled networks are missing, so there is nothing to try here. See docs/models.md.")


def of_drawings() -> NetworkOutputs:
    """Their outputs on test images."""
    with st.spinner("Running the networks on test images"):
        return test_outputs.run(drawings(), test_outputs.version(drawings()))


def predicted(outputs: NetworkOutputs) -> dict[str, np.ndarray]:
    """Network -> probabilities [n, K]."""
    return {role: engine.soft_labels().soft_labels(logits, 1) for role, logits in outputs.logits.items()}


def image(outputs: NetworkOutputs) -> int:
    """Of the images on which teacher and student are right and the twin is not, the one of which the student is surest; where
    there is none, the one on which student and twin differ most."""
    found, rows = predicted(outputs), np.arange(len(outputs.targets))
    right = {role: soft.argmax(1) == outputs.targets for role, soft in found.items()}
    sure = {role: soft[rows, outputs.targets] for role, soft in found.items()}
    helped = right["teacher"] & right["student"] & ~right["twin"]
    score = np.where(helped, 1 + sure["student"], sure["student"] - sure["twin"])
    return int(score.argmax())


def show_image(outputs: NetworkOutputs, place: int) -> None:
    st.image(pictures.enlarged(outputs.images[place], SIDE), width=SIDE, alt="A test image: a drawn shape")


@st.cache_data(max_entries=4, show_spinner=False)
def sets(references: tuple[str, ...]) -> list[SetCard]:
    """One test set of each kind."""
    quick = {condition.split("@")[0] for condition in engine.conditions("quick", references)}
    return [
        card
        for card in engine.test_sets(references)
        if card.name in quick and not card.unavailable and card.name != "clean"
    ]


@st.cache_data(max_entries=40, show_spinner="Measuring on test images")
def measured(references: tuple[str, ...], condition: str, version: str) -> Live:
    return engine.accuracy_now(references, condition, images=IMAGES)


def violet(words: str) -> str:
    return palette.in_colour("teacher", f"**{words}**")


def teal(words: str) -> str:
    return palette.in_colour("student", f"**{words}**")


def orange(words: str) -> str:
    return palette.in_colour("twin", f"**{words}**")


def a(noun: str) -> str:
    """`an arrow`, `a star`."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {formatting.as_text(noun)}"
