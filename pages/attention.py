"""A photo, and what teacher, student and twin each take it for and look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import attention_form as form
from pages.parts import networks, page_table, palette, pictures
from pages.parts.attention_compare import Look, attention_compare, explain_figures
from pages.parts.photo_choice import Shown, choose_photo, offer_photos

if TYPE_CHECKING:
    from kdcore.inspector import Choice, Inspection


def main() -> None:
    st.title("Attention")
    left, right = st.columns([1, 2], gap="medium")
    with left:
        offered, refused = offer_photos()
    with right:
        shown = choose_photo(offered)
    if refused:
        st.warning(refused, icon=":material/broken_image:")
    found = networks.choices()
    if not found:
        st.info("There is no network to ask yet: none is bundled, no run has a checkpoint.", icon=":material/info:")
        st.page_link(page_table.TRAIN, label="Train one", icon=":material/school:")
    if shown and found:
        compare(shown, found)


def compare(shown: Shown, found: list[Choice]) -> None:
    """Choose networks and map, ask, draw."""
    controls = st.container(horizontal=True)
    with controls:
        chosen = form.choose_networks(found, cues=shown.cues)
        method = form.choose_method(list(chosen.values()))
    answers = ask_all(shown, chosen, method)
    with controls:
        layer, head = form.choose_layer_and_head(list(answers.values()))
    if layer or head:
        answers = ask_all(shown, chosen, method, form.places(answers, layer, head))
    if answers:
        attention_compare(next(iter(answers.values())).photo, shown.name, looks(answers, chosen))
        say_what_they_know(answers)
        explain_figures()
    elif not chosen:
        st.info("Choose at least one network.", icon=":material/info:")


def ask_all(
    shown: Shown, chosen: dict[str, Choice], method: str | None, places: form.Places | None = None
) -> dict[str, Inspection]:
    """What each network says; where one cannot, the reason is said on the page and the others go on."""
    answers = {}
    with st.spinner("Asking the networks", show_time=True):
        for heading, choice in chosen.items():
            layer, head = (places or {}).get(heading, (None, None))
            try:
                answers[heading] = networks.inspect(shown.pixels, shown.digest, choice.reference, method, layer, head)
            except ValueError as error:
                if places is None:  # else it was said at the first asking
                    st.warning(f"{choice.title}: {error}", icon=":material/warning:")
    return answers


def looks(answers: dict[str, Inspection], chosen: dict[str, Choice]) -> list[Look]:
    """Each network's column; all but the first with its agreement with the first one's map."""
    first, *_ = answers.values()
    return [
        Look(
            title=heading,
            network=chosen[heading].title,
            colour=pictures.colour(network),
            method=networks.map_title(each),
            heatmap=each.heatmap,
            predictions=each.predictions[:3],
            agreement={} if each is first else networks.agreement(first.heatmap, each.heatmap),
            problem=each.problem,
        )
        for (heading, each), network in zip(answers.items(), palette.NETWORKS, strict=False)
    ]


def say_what_they_know(answers: dict[str, Inspection]) -> None:
    """A network can only answer what it was taught."""
    known = {
        each.classes: [h for h, other in answers.items() if other.classes == each.classes] for each in answers.values()
    }
    for classes, headings in known.items():
        who = "These networks know" if len(known) == 1 else f"{' and '.join(headings)}: knows"
        named = ", ".join(classes[:12]) + (", …" if len(classes) > 12 else "")
        st.caption(f"{who} {len(classes)} classes: {named}. Whatever the photo shows, the answer is one of them.")


main()
