"""Methods: search, read a card, try its figures, start a run from it."""

import streamlit as st

from pages.parts import engine, formatting, page_table
from pages.parts.methods import card, index
from pages.parts.roles import role


def main() -> None:
    known, name = engine.methods(), st.query_params.get("method")
    if name is None:
        for problem in engine.plugin_problems() if role.is_operator() else ():
            st.warning(formatting.message(problem), icon=":material/extension_off:")
        index.show(list(known.values()))
    elif name in known:
        card.show(known[name])
    else:
        st.title("Methods", anchor=False)
        st.warning(f"There is no method {formatting.as_text(repr(name))}.")
        st.page_link(page_table.METHODS, label="All methods", icon=":material/menu_book:")


main()
