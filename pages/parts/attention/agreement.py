"""Agreement of two networks' maps over photos, each metric beside its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from kdcore.errors import UserError
from kdcore.results.comparison import Figure, digits
from pages.parts import formatting
from pages.parts.attention import networks
from pages.parts.components.attention_compare.attention_compare import FIGURES, written

if TYPE_CHECKING:
    from kdcore.inspection import Controlled
    from pages.parts.attention.comparison import ComparedPhoto
    from pages.parts.attention.photo_choice import Shown

MOST = 48  # photos, so that nobody waits


def show(compared: ComparedPhoto, offered: list[Shown]) -> None:
    uploads = [each for each in offered if not each.sample]
    samples = [each for each in offered if each.sample and each.dataset == compared.shown.dataset]
    alike = {each.digest: each for each in (samples if compared.shown.sample else uploads)}  # equal photos count once
    over = list(alike.values())[:MOST]
    first, *others = compared.requests
    if not others:
        st.info("Agreement needs a second network: choose two or three above.")
        return
    if len(over) < 2:
        st.info("Agreement needs at least two photos: upload more of your own above, many at once.")
        return
    whose = f"the {len(over)} samples" if compared.shown.sample else f"your {len(over)} photos"
    st.markdown(f"Over **{whose}**, without perturbation. The more photos, the narrower the interval.")
    reference = compared.chosen[first].reference
    photos = {each.digest: each.pixels for each in over}
    for heading in others:
        try:
            with st.spinner(
                f"Comparing {formatting.as_text(f'{heading.lower()} and {first.lower()}')} on {len(over)} photos",
                show_time=True,
            ):
                found = networks.agreement_over(
                    photos, compared.chosen[heading].reference, reference, **_shared(compared, heading)
                )
        except UserError as error:
            st.caption(f"{formatting.as_text(heading)}: {formatting.message(str(error))}")
            continue
        st.markdown(f"**{formatting.as_text(f'{heading} and {first.lower()}')}.** {verdict(found['centred'])}")
        st.table(rows(found))
    st.caption(
        "*Other photos*: the same two networks, each on another photo; what agrees there is centre bias. "
        "*Middle*: the first network against a blob in the middle. *Untrained*: a network like the second with random weights. "
        "Only agreement beyond these (for the divergence: below them) can have been learnt; compare student and twin to see the effect of the "
        "teacher."
    )
    with st.expander("What the figures mean", icon=":material/help:"):
        st.markdown("\n".join(f"- **{name}**: {meaning}" for name, _, meaning in FIGURES.values()))


def _shared(compared: ComparedPhoto, heading: str) -> dict[str, object]:
    """The request to both networks. Each map explains the predicted class: photos of many kinds have no class in common."""
    first = next(iter(compared.inspections.values()))
    same = first.map_name == compared.inspections[heading].map_name
    return compared.place(heading) | ({"map_name": first.map_name} if same else {})


def verdict(centred: Controlled) -> str:
    gain, low, high = centred.gain
    shown = centred.shown()
    if shown == "nothing":
        return "Their maps cannot be compared here."
    if shown == "few":
        return f"No conclusion from {centred.count} photos. Correlation, same − other photo: {signed(gain)}."
    places = digits(Figure(gain, low, high), 1, 2)
    figures = f"{signed(gain, places)}, 95 % interval {signed(low, places)} to {signed(high, places)}".replace(
        " ", formatting.HARD
    )
    words = {
        "more": "Their maps agree more on the same photo than on different photos.",
        "less": "They agree less on the same photo than on other photos.",
        "open": "No evidence beyond centre bias.",
    }
    return f"{words[shown]} Correlation, same − other photo: {figures}."


def rows(found: dict[str, Controlled]) -> list[dict[str, str]]:
    return [
        {
            "": FIGURES[metric][0].replace(" ", formatting.HARD),
            "Same photo": written(metric, each.paired).replace(" ", formatting.HARD),
            "Other photos": written(metric, each.shuffled).replace(" ", formatting.HARD),
            "Middle": written(metric, each.centre).replace(" ", formatting.HARD),
            "Untrained": written(metric, each.untrained).replace(" ", formatting.HARD),
            "Same − other (95 %)": _interval(each.gain),
        }
        for metric, each in found.items()
    ]


def _interval(gain: tuple[float, float, float]) -> str:
    if not np.isfinite(gain[0]):
        return "no map"
    places = digits(Figure(*gain), 1, 2)
    middle, low, high = (signed(value, places) for value in gain)
    return f"{middle} ({low} to {high})".replace(" ", formatting.HARD)


def signed(value: float, places: int = 2) -> str:
    """`+0.14`, `−0.02`, `0.00`: zero has no sign."""
    return formatting.minus(f"{value:+.{places}f}") if round(value, places) else f"{0:.{places}f}"
