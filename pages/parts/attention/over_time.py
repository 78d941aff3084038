"""Maps, predictions and probabilities over the epochs of a run, on one scrubber.

For the chosen photo from the run's snapshots, for the run's pinned images from its probes. All frames go to the browser once,
so that playing and the arrow keys need no server; it draws them as the Start page's replay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import streamlit as st

from kdcore.errors import UserError
from kdcore.store import RunState
from pages.parts import address, engine, formatting, page_table, palette
from pages.parts.attention import form, networks
from pages.parts.components import pictures
from pages.parts.components.replay import replay
from pages.parts.runs import moments

if TYPE_CHECKING:
    from kdcore.inspection import Course, OverTime
    from pages.parts.attention.comparison import ComparedPhoto
    from pages.parts.attention.photo_choice import Shown

SIDE = 224  # pixels of the photo as it is sent
PHOTO, PINNED = "This photo", "The run's pinned images"


def show(compared: ComparedPhoto, _offered: list[Shown]) -> None:
    state = choose_run(compared)
    if state is None:
        st.info("No run has snapshots yet. Train one: every run saves them.", icon=":material/info:")
        st.page_link(page_table.TRAIN, label="Train one", icon=":material/school:")
        return
    kept, probed = bool(engine.store().snapshots(state.id)), moments.can_replay(state)
    if not kept:
        why = "it is a recording" if state.recorded else "it is of an earlier version"
        st.info(
            f"Run {formatting.as_text(repr(state.name))} has no snapshots of its networks ({why}), so this photo cannot be shown at earlier epochs. "
            "Train its recipe again to see that."
            + (" Its pinned images were mapped during training." if probed else ""),
            icon=":material/info:",
        )
    picked = PHOTO if kept else PINNED
    if kept and probed:
        picked = (
            st.segmented_control(
                "Over the epochs", [PHOTO, PINNED], default=PHOTO, required=True, key="time-of", bind="query-params"
            )
            or PHOTO
        )
    if picked == PHOTO:
        show_photo(compared, state)
    elif probed:
        address.put({"epoch": ""})  # of the photo's replay
        moments.show(engine.store(), state)
        st.caption(
            "The maps are each network's own, computed during training: class-token attention of a ViT, activation energy of a CNN."
        )


def choose_run(compared: ComparedPhoto) -> RunState | None:
    """The run whose networks are compared; where these are bundled, any run with snapshots or probes."""
    store = engine.store()
    run_ids = [networks.family(choice.reference)[0] for choice in compared.chosen.values() if choice.kind == "run"]
    if run_ids:
        return store.state(run_ids[0])
    known = {state.id: state for state in store.states() if store.snapshots(state.id) or moments.can_replay(state)}
    if not known:
        return None
    st.caption("The bundled networks above have no training history. Choose a run:")
    ordered = sorted(known, key=lambda run_id: not store.snapshots(run_id))  # runs with snapshots first
    picked = st.selectbox(
        "Run",
        ordered,
        format_func=lambda run_id: f"{known[run_id].name} ({run_id[:15]} {run_id[-4:]})",
        key="time-run",
        bind="query-params",
        width=420,
    )
    return known[picked or ordered[0]]


def show_photo(compared: ComparedPhoto, state: RunState) -> None:
    wanted = requests(compared, state.id)
    if not wanted:
        st.info(
            f"Run {formatting.as_text(repr(state.name))} has no checkpoint that can be loaded, so its networks cannot be shown. A run in training "
            "saves its first one after a while: come back then. Resume or repeat a run that has ended.",
            icon=":material/info:",
        )
        return
    with st.spinner("Computing maps at earlier epochs", show_time=True):
        try:
            found = networks.over_time(compared.pixels, compared.digest, state.id, wanted)
        except UserError as error:
            st.warning(formatting.message(str(error)), icon=":material/warning:")
            return
    replay.draw(frames(found, compared.shown.name, compared.shown.true), key="attention_time")
    cards = networks.maps()
    titles = dict.fromkeys(cards[course.map_name].title for course in found.courses.values())
    st.caption(
        f"{' and '.join(titles)}, at {len(found.steps)} steps of the run; maps and curves are interpolated in between. "
        "Epoch 0 is before the first step."
    )


def requests(compared: ComparedPhoto, run_id: str) -> dict[str, dict[str, Any]]:
    """Role -> its request: the one of the comparison where the network is in it, else the chosen map alone."""
    found = {}
    for choice in networks.choices():
        of, role = networks.family(choice.reference)
        if of != run_id:
            continue
        heading = next((h for h, each in compared.chosen.items() if each.reference == choice.reference), "")
        found[role] = compared.requests.get(heading, form.bare_request(compared.map_name))
    return {role: found[role] for role in palette.NETWORKS if role in found}


def frames(found: OverTime, name: str, true: str) -> dict[str, Any]:
    """As the replay takes them: one image, a column a network."""
    followed, why = _followed(found, true)
    named = sorted({course.classes[i] for course in found.courses.values() for i in course.probabilities.argmax(-1)})
    classes = [followed, *(each for each in named if each != followed)]
    densities = {role: pictures.density(course.heatmaps) for role, course in found.courses.items()}
    most = pictures.scale_for(list(densities.values()))
    photo = cv2.resize(found.photo, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[None]
    return {
        "classes": classes,
        "epochs": [round(epoch, 3) for epoch in found.epochs],
        "most": most,
        "missing": any(np.isnan(course.heatmaps).any() for course in found.courses.values()),
        "shape": photo.shape[:3],
        "images": pictures.base64_bytes(photo),
        "targets": [0 if true == followed else -1],
        "name": name,
        "in_address": True,
        "networks": [
            replay.network(
                role,
                densities[role][:, None],
                _of_classes(course, classes),
                still=len(course.heatmaps) < len(found.epochs),
            )
            for role, course in found.courses.items()
        ],
        "curves": [
            curve for role in ("student", "twin", "teacher") if (curve := _curve(found, role, followed)) is not None
        ],
        "curves_title": f"Probability of “{followed}”, {why}",
    }


def _of_classes(course: Course, classes: list[str]) -> np.ndarray:
    """A network's probabilities of these classes, [moments, 1, classes]; 0 where it does not know a class."""
    known = list(course.classes)
    columns = [
        course.probabilities[:, known.index(each)] if each in known else np.zeros(len(course.probabilities))
        for each in classes
    ]
    return np.stack(columns, axis=1)[:, None]


def _followed(found: OverTime, true: str) -> tuple[str, str]:
    """The class whose probability is drawn: the true one where it is known, else the first network's last prediction."""
    first, course = next(iter(found.courses.items()))
    if true in course.classes:
        return true, "the true class"
    return course.classes[course.probabilities[-1].argmax()], f"the {first}’s prediction"


def _curve(found: OverTime, role: str, followed: str) -> dict[str, Any] | None:
    course: Course | None = found.courses.get(role)
    if course is None or followed not in course.classes:
        return None
    shares = course.probabilities[:, course.classes.index(followed)]
    if len(shares) < len(found.epochs):
        return {**replay.named(role), "level": float(shares[0]), "points": []}
    points = np.stack([found.epochs, shares], axis=1).round(4).tolist()
    return {**replay.named(role), "points": points}
