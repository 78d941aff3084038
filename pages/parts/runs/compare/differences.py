"""The settings in which the compared runs differ, by their dotted names."""

from collections.abc import Sequence

import streamlit as st

from kdcore.recipe import settings
from kdcore.store import RunState

MOST_COLUMNS = 8  # runs side by side; more of them are rows


def draw(runs: Sequence[RunState], names: dict[str, str]) -> None:
    """A table of what differs: a row per setting, or a row per run where there are many."""
    st.subheader("What differs", anchor=False)
    known = [run for run in runs if run.settings]
    different = settings.differing([run.settings for run in known])
    for run in runs:
        if not run.settings:
            st.caption(f"The recipe of {run.id} cannot be read.")
    if not different:
        st.caption("Nothing: their recipes are the same, seed included.")
        return
    st.dataframe(rows(known, names, different), hide_index=True, alt="The settings in which the runs differ")
    st.caption("As in a recipe: settings that all of them share are left out.")


def rows(runs: Sequence[RunState], names: dict[str, str], different: dict[str, list[object]]) -> list[dict[str, str]]:
    if len(runs) <= MOST_COLUMNS:
        return [
            {"Setting": key}
            | {names[run.id]: settings.in_words(value) for run, value in zip(runs, values, strict=True)}
            for key, values in different.items()
        ]
    return [
        {"Run": names[run.id]} | {key: settings.in_words(values[place]) for key, values in different.items()}
        for place, run in enumerate(runs)
    ]
