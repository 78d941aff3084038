"""Studies: variants of a recipe over several seeds, compared with intervals; and common pitfalls to try."""

import streamlit as st

from pages.parts import engine, page_table
from pages.parts.studies import form, pitfall_cards, table, view

OWN = "Your own sweep"
PITFALLS = "Common pitfalls"


def main() -> None:
    study_id = st.query_params.get("study")
    if study_id is None:
        overview()
    elif study_id in engine.studies().ids():
        view.show(study_id)
    else:
        st.title("Studies", anchor=False)
        st.warning("Study not found. It may have been deleted.")
        page_table.go_button("Show all studies", ":material/science:", page_table.STUDIES)


def overview() -> None:
    st.title("Studies", anchor=False)
    st.caption(
        "The result of one run depends on its random seed. A study trains variants of a recipe with several seeds, one "
        "run after another, and shows which differences are larger than the variation between seeds."
    )
    table.show()
    like = OWN if "like" in st.query_params else None
    pitfalls, ready, own = st.tabs(
        [PITFALLS, "Ready-made studies", OWN], default=like, key="tab", on_change="rerun", bind="query-params"
    )
    with pitfalls:
        pitfall_cards.show()
    with ready:
        form.ready_made()
    with own:
        form.own_sweep()


main()
