"""The methods: find one, read its card, turn its numbers, try it."""

import streamlit as st

from pages.parts import engine, page_table
from pages.parts.methods import card, index


def main() -> None:
    known, name = engine.methods(), st.query_params.get("method")
    if name is None:
        index.show(list(known.values()))
    elif name in known:
        card.show(known[name])
    else:
        st.title("Methods", anchor=False)
        st.warning(f"There is no method {name!r} here.")
        st.page_link(page_table.METHODS, label="See the methods that there are", icon=":material/menu_book:")


main()
