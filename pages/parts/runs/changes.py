"""What else changed: a run's measures besides accuracy, and its result by class, below the verdict."""

import streamlit as st

from kdcore.results import measures, predictions
from kdcore.store import RunState
from pages.parts import engine, palette
from pages.parts.runs import class_charts, what_else

TITLE_CELLS = 2  # of the grid's columns


def show(run: RunState) -> None:
    """The table of measures, and the results by class in an expander."""
    with st.container(border=True):
        st.markdown("**What else changed**")
        what_else.show_line(run)
        table(run)
        st.caption(f"{measures.without_claim(run.results)}{fitted_to(run)}")
        by_class(run)


def fitted_to(run: RunState) -> str:
    """How many images the temperatures were fitted to; empty where there are none."""
    count = run.latest.get("student", {}).get("count")
    scaled = run.results["student"].get("temperature") is not None
    return f" T is fitted to {count:,.0f} validation images." if scaled and count else ""


def table(run: RunState) -> None:
    """A row per measure, its explanation on hover; a column per network."""
    networks = [name for name in palette.NETWORKS if name in run.results]
    columns = TITLE_CELLS + len(networks)
    with st.grid(
        columns=columns, min_column_width=54, wrap=False, gap=("xxsmall", "xsmall"), key=f"changes-{run.id}"
    ) as grid:
        with grid.cell(column_span=TITLE_CELLS):
            st.markdown("")
        for name in networks:
            st.markdown(f"**{palette.in_colour(name, name.capitalize())}**")
        for row in measures.rows(run.results):
            with grid.cell(column_span=TITLE_CELLS):
                st.markdown(row.measure.title, help=row.measure.explanation)
            for name in networks:
                value = row.values.get(name, "")
                st.markdown(f":gray[{value}]" if value in measures.WITHOUT_VALUE else value)


def by_class(run: RunState) -> None:
    """Accuracy and gain by class, and a confusion matrix; in words where the run did not store its predictions."""
    found = engine.store().test_predictions(run.id)
    if found is None:
        st.caption("Results by class: not measured. Runs of earlier versions did not store their predictions.")
        return
    rows = predictions.by_class(found, run.classes)
    with st.expander("Results by class", icon=":material/grid_on:"):
        class_charts.gains(rows)
        networks = [name for name in palette.NETWORKS if name in found]
        chosen = st.segmented_control(
            "Confusion matrix of", networks, default="student", format_func=str.capitalize, key="confusion",
            required=True, bind="query-params",
        )  # fmt: skip
        network = chosen or "student"
        counts = predictions.confusion(found["targets"], found[network], len(run.classes))
        class_charts.confusion(counts, run.classes, network)
        st.download_button(
            "Results by class (CSV)", lambda: predictions.as_csv(rows), f"{run.id}-classes.csv", "text/csv",
            key=f"classes-{run.id}", icon=":material/table:", on_click="ignore",
        )  # fmt: skip
