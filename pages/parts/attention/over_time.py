"""How it learned to see: maps, answers and curves over the epochs of a run, on one scrubber.

For the photo in the lab from the run's snapshots, for the run's pinned images from its probes. All frames go to the browser
once, so that playing and the arrow keys ask the server nothing; it draws them as the Start page's replay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import streamlit as st

from kdcore.errors import UserError
from kdcore.store import RunState
from pages.parts import engine, page_table, palette
from pages.parts.attention import networks
from pages.parts.components import pictures
from pages.parts.components.replay import replay

if TYPE_CHECKING:
    from kdcore.inspection import Course, OverTime
    from pages.parts.attention.comparison import Lab
    from pages.parts.attention.photo_choice import Shown

SIDE = 224  # pixels of the photo as it is sent
PHOTO, PINNED = "This photo", "The run's pinned images"


def show(lab: Lab, _offered: list[Shown]) -> None:
    state = choose_run(lab)
    if state is None:
        st.info(
            "There is no run with a history yet. Train one: every run keeps what this needs.", icon=":material/info:"
        )
        st.page_link(page_table.TRAIN, label="Train one", icon=":material/school:")
        return
    kept, probed = bool(engine.store().snapshots(state.id)), replay.can_replay(state)
    if not kept:
        whose = "is a recording that comes with the project" if state.recorded else "is of an earlier version"
        st.info(
            f"Run {state.name!r} {whose}: it kept no snapshots of its networks, so it cannot be asked about this photo at "
            "earlier epochs. Train its recipe again to see that"
            + ("; its pinned images were mapped as it trained." if probed else "."),
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
        show_photo(lab, state)
    elif probed:
        replay.replay(engine.store(), state.id)
        st.caption("The maps are each network's own, taken while it trained: attention of a ViT, activation of a CNN.")


def choose_run(lab: Lab) -> RunState | None:
    """The run whose networks are in the lab; where these come with the project, any run with a history."""
    store = engine.store()
    in_lab = [networks.family(choice.reference)[0] for choice in lab.chosen.values() if choice.kind == "run"]
    if in_lab:
        return store.state(in_lab[0])
    known = {state.id: state for state in store.states() if store.snapshots(state.id) or replay.can_replay(state)}
    if not known:
        return None
    st.caption("The networks above come with the project, without the history of their training. A run has one:")
    ordered = sorted(
        known, key=lambda run_id: not store.snapshots(run_id)
    )  # those that can be asked about the photo first
    picked = st.selectbox(
        "Run",
        ordered,
        format_func=lambda run_id: f"{known[run_id].name} ({run_id[:15]} {run_id[-4:]})",
        key="time-run",
        bind="query-params",
        width=420,
    )
    return known[picked or ordered[0]]


def show_photo(lab: Lab, state: RunState) -> None:
    with st.spinner("Asking the networks of earlier epochs", show_time=True):
        try:
            found = networks.over_time(lab.pixels, lab.digest, state.id, questions(lab, state.id))
        except UserError as error:
            st.warning(str(error), icon=":material/warning:")
            return
    replay.draw(frames(found, lab.shown.name, lab.shown.true), key="attention_time")
    cards = networks.maps()
    titles = dict.fromkeys(cards[course.method].title for course in found.courses.values())
    st.caption(
        f"{' and '.join(titles)}, as chosen above, at {len(found.steps)} moments of the run; between two of them, picture and "
        "curve are interpolated. Epoch 0 is before the first step."
    )


def questions(lab: Lab, run_id: str) -> dict[str, dict[str, Any]]:
    """Role -> what is asked of it: what the lab asks where the network is in it, else the lab's map."""
    asked = {}
    for choice in networks.choices():
        of, role = networks.family(choice.reference)
        if of != run_id:
            continue
        heading = next((h for h, each in lab.chosen.items() if each.reference == choice.reference), "")
        bare = {"method": networks.method_for(choice, lab.method)} if lab.method else {}
        asked[role] = lab.questions.get(heading, bare)
    return {role: asked[role] for role in palette.NETWORKS if role in asked}


def frames(found: OverTime, name: str, true: str) -> dict[str, Any]:
    """As the replay takes them: one image, a column a network."""
    followed, why = _followed(found, true)
    named = sorted({course.classes[i] for course in found.courses.values() for i in course.probabilities.argmax(-1)})
    classes = [followed, *(each for each in named if each != followed)]  # few, so that a byte names one
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
            {
                **replay.named(role),
                "grid": course.heatmaps.shape[-2:],
                "frames": len(course.heatmaps),
                "maps": pictures.packed(densities[role], most),
                "answers": pictures.base64_bytes(
                    np.array([classes.index(course.classes[i]) for i in course.probabilities.argmax(-1)])
                ),
                "sure": pictures.base64_bytes((100 * course.probabilities.max(-1)).round()),
            }
            for role, course in found.courses.items()
        ],
        "curves": [
            curve for role in ("student", "twin", "teacher") if (curve := _curve(found, role, followed)) is not None
        ],
        "curves_title": f"Probability of “{followed}”, {why}",
    }


def _followed(found: OverTime, true: str) -> tuple[str, str]:
    """The class whose probability is drawn: the true one where it is known, else what the first network answers at last."""
    first, course = next(iter(found.courses.items()))
    if true in course.classes:
        return true, "the true class"
    return course.classes[course.probabilities[-1].argmax()], f"the {first}’s answer"


def _curve(found: OverTime, role: str, followed: str) -> dict[str, Any] | None:
    course: Course | None = found.courses.get(role)
    if course is None or followed not in course.classes:
        return None
    shares = course.probabilities[:, course.classes.index(followed)]
    if len(shares) < len(found.epochs):
        return {**replay.named(role), "level": float(shares[0]), "points": []}
    points = np.stack([found.epochs, shares], axis=1).round(4).tolist()
    return {**replay.named(role), "points": points}
