"""Train: a form that makes a recipe, estimates its cost and starts it; then the run, live."""

import streamlit as st

from pages.parts import engine, page_table
from pages.parts.runs import view
from pages.parts.train import recipe_form


def main() -> None:
    run_id = st.query_params.get("run")
    if run_id is None:
        recipe_form.show()
    elif run_id in engine.store().ids():
        view.show(run_id)
    else:
        st.title("Train")
        st.warning("Run not found. It may have been deleted.")
        st.page_link(page_table.RUNS, label="Show all runs", icon=":material/stacked_line_chart:")


main()
