"""The photo that the page opens with: the first photograph that teacher and student classify correctly and the twin does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import palette
from pages.parts.attention import framing, networks, samples

if TYPE_CHECKING:
    from kdcore.inspection import Choice

RULE = "Shown first because only the twin is wrong."


def sample(found: list[Choice]) -> str:
    """The id of that sample; empty where no photograph is one, or its networks are not all here."""
    trios = networks.trios(found)
    for photograph in samples.photographs():
        trio = trios.get(photograph.dataset)
        if photograph.true and trio and trio.networks.keys() == set(palette.NETWORKS):
            references = tuple(trio.networks[role].reference for role in palette.NETWORKS)
            if _only_the_last_is_wrong(photograph, references):
                return photograph.id
    return ""


@st.cache_data(max_entries=16, show_spinner=False)
def _only_the_last_is_wrong(photograph: samples.Sample, references: tuple[str, ...]) -> bool:
    """Whether all networks but the last see the photograph's class in its middle square."""
    pixels = framing.framed(samples.read(photograph.path).pixels, framing.MIDDLE)
    found = (networks.inspector().inspect(pixels, reference).predictions[0][0] for reference in references)
    *taught, last = (predicted == photograph.true for predicted in found)
    return all(taught) and not last
