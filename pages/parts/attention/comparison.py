"""What is being looked at on the Attention page: the photo, who was asked what, and what they said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from kdcore.errors import UserError
from pages.parts import palette
from pages.parts.attention import form, networks
from pages.parts.attention.photo_choice import POKE, Shown
from pages.parts.components import pictures
from pages.parts.components.attention_compare.attention_compare import Look, Near, attention_compare

if TYPE_CHECKING:
    from kdcore.inspection import Choice, Inspection


@dataclass
class Lab:
    """chosen, questions, answers: by heading (`Teacher`, `Student`, ...), the network that others are compared with first.

    method: the map that was chosen, None for each network's own; a question names what a network shows in its place.
    pixels, digest: the photo with what was done to it (`poke`), which all sections further down are about.
    before: what each said of the photo as it is; the same as answers where nothing was done to it.
    """

    shown: Shown
    chosen: dict[str, Choice]
    method: str | None
    pixels: np.ndarray
    digest: str
    poke: str = ""
    questions: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, Inspection] = field(default_factory=dict)
    before: dict[str, Inspection] = field(default_factory=dict)

    def role(self, heading: str) -> str:
        """Which network's colour it has."""
        return dict(zip(self.chosen, palette.NETWORKS, strict=False))[heading]


def set_up(shown: Shown, found: list[Choice]) -> Lab:
    """Choose networks, map, class, layer and head, and ask. Where a network cannot answer, the reason is said."""
    poke = networks.poke_as_asked(st.query_params.get(POKE, ""))
    pixels = networks.poked(shown.pixels, shown.digest, poke) if poke else shown.pixels
    controls = st.container(horizontal=True)
    with controls:
        chosen = form.choose_networks(found, cues=shown.cues)
        method = form.choose_method()
    lab = Lab(shown, chosen, method, pixels, shown.digest + poke, poke)
    bare = {h: ({"method": networks.method_for(c, method)} if method else {}) for h, c in chosen.items()}
    first = ask(lab, shown.pixels, shown.digest, bare, aloud=True)
    cards = networks.maps()
    with controls:
        classes = (
            form.choose_class(first, shown.true) if any(cards[a.method].explains_class for a in first.values()) else {}
        )
        depth, head = form.choose_layer_and_head(list(first.values()))
    lab.questions = {h: form.for_network(chosen[h], a, method, depth, head, classes) for h, a in first.items()}
    lab.before = ask(lab, shown.pixels, shown.digest, lab.questions, aloud=bool(classes))
    lab.answers = ask(lab, pixels, lab.digest, lab.questions) if poke else lab.before
    say_who_shows_another_map(lab, method)
    return lab


def ask(
    lab: Lab, pixels: np.ndarray, digest: str, questions: dict[str, dict[str, Any]], *, aloud: bool = False
) -> dict[str, Inspection]:
    """What each network says; where one cannot, the others go on, and the reason is said if it was not before."""
    answers = {}
    for heading, asked in questions.items():
        choice = lab.chosen[heading]
        try:
            answers[heading] = networks.inspect(pixels, digest, choice.reference, **asked)
        except UserError as error:
            if aloud:
                st.warning(f"{choice.title}: {error}", icon=":material/warning:")
    return answers


def say_who_shows_another_map(lab: Lab, method: str | None) -> None:
    others = {h: a for h, a in lab.answers.items() if method and a.method != method}
    if others and method:
        cards = networks.maps()
        shown = cards[next(iter(others.values())).method].title
        st.caption(
            f"{cards[method].title} is read from a class token's attention, which {' and '.join(others)} "
            f"{'has' if len(others) == 1 else 'have'} not: {shown} is shown there instead."
        )


def draw(lab: Lab) -> None:
    attention_compare(
        next(iter(lab.answers.values())).photo,
        lab.shown.name,
        looks(lab),
        poke=lab.poke,
        poke_says=networks.poke_in_words(lab.poke),
        shareable=lab.shown.sample,
        on_poke=poked,
    )


def poked(text: str) -> None:
    """Into the address."""
    if text := networks.poke_as_asked(text):
        st.query_params[POKE] = text
    else:
        st.query_params.pop(POKE, None)


def looks(lab: Lab) -> list[Look]:
    """Each network's column; all but the first with its agreement with the first one's map."""
    first, *_ = lab.answers.values()
    return [
        Look(
            title=heading,
            network=lab.chosen[heading].title,
            colour=pictures.colour(lab.role(heading)),
            method=networks.map_title(each),
            heatmap=each.heatmap,
            predictions=each.predictions[:3],
            before=dict(lab.before[heading].predictions) if lab.poke and heading in lab.before else None,
            agreement={} if each is first else networks.agreement(first.heatmap, each.heatmap),
            problem=each.problem,
            near=near(lab, heading),
        )
        for heading, each in lab.answers.items()
    ]


def near(lab: Lab, heading: str) -> Near:
    """What every patch looks at, at the depth that is chosen."""
    asked = {name: lab.questions[heading][name] for name in ("depth", "head") if name in lab.questions[heading]}
    found = networks.affinity(lab.pixels, lab.digest, lab.chosen[heading].reference, **asked)
    layer = "last layer" if found.layer is None else f"layer {found.layer + 1}"
    if not found.attends:
        return Near(found.values, found.grid, f"Places that resemble this one, {layer}")
    head = "mean of heads" if found.head is None else f"head {found.head + 1}"
    return Near(found.values, found.grid, f"What this patch attends to, {layer}, {head}")


def say_what_they_know(lab: Lab) -> None:
    """A network can only answer what it was taught."""
    every = lab.answers
    known = {
        each.classes: [h for h, other in every.items() if other.classes == each.classes] for each in every.values()
    }
    for classes, headings in known.items():
        who = "These networks know" if len(known) == 1 else f"{' and '.join(headings)}: knows"
        named = ", ".join(classes[:12]) + (", …" if len(classes) > 12 else "")
        st.caption(f"{who} {len(classes)} classes: {named}. Whatever the photo shows, the answer is one of them.")
