"""Studies: variants over several seeds, and what can be told from luck; and failures made on purpose."""

import streamlit as st

from pages.parts import engine, page_table
from pages.parts.studies import form, pitfall_cards, table, view

OWN = "A sweep of your own"


def main() -> None:
    study_id = st.query_params.get("study")
    if study_id is None:
        overview()
    elif study_id in engine.studies().ids():
        view.show(study_id)
    else:
        st.title("Studies", anchor=False)
        st.warning("There is no such study here; it may have been deleted.")
        page_table.go_button("See the studies that there are", ":material/science:", page_table.STUDIES)


def overview() -> None:
    st.title("Studies", anchor=False)
    st.caption(
        "One run is one draw of the lot. A study trains variants of a recipe with several seeds, one run after another, and "
        "says which differences are larger than luck."
    )
    table.show()
    like = OWN if "like" in st.query_params else None
    failures, ready, own = st.tabs(["Guided failures", "Ready-made studies", OWN], default=like)
    with failures:
        pitfall_cards.show()
    with ready:
        form.ready_made()
    with own:
        form.own_sweep()


main()
