"""What else passes from a teacher to its student: networks on perturbed test sets."""

from __future__ import annotations

import streamlit as st

from kdcore.errors import UserError
from pages.parts import engine, formatting, left_out
from pages.parts.robustness import chosen as networks
from pages.parts.robustness import closer, evaluation, measured, overview


def main() -> None:
    st.title("Robustness", anchor=False)
    st.markdown(
        "What passes from a :violet[**teacher**] to its :primary[**student**] besides accuracy? Each row is a test set whose images are "
        "changed in one way. The :orange[**twin**] is the same network, trained without the teacher: where the student "
        "differs from it and is nearer to the teacher, something was passed on."
    )
    look()


@st.fragment
def look() -> None:
    """The networks, the chart of all test sets, and a closer look at one of them."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = networks.choose()
        st.space("stretch")
        buttons = st.container(horizontal=True, width="content")
    left_out.show()
    if chosen is None:
        return
    if why := engine.evaluation_refusal(chosen.references):
        st.warning(formatting.message(why), icon=":material/image_not_supported:")
        return
    try:
        found, cards = evaluation.of(chosen), measured.test_sets(chosen)
        evaluation.begin(chosen, found)
        with buttons:
            evaluation.buttons(chosen, found)
        marked = closer.marked(cards)
        overview.draw(chosen, found, cards, marked)
        closer.look(chosen, found, cards, marked)
        evaluation.watch(found.running)
    except UserError as error:
        st.warning(formatting.message(str(error)), icon=":material/warning:")


main()
