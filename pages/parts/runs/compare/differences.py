"""The settings in which the compared runs differ, by their dotted names."""

from collections.abc import Sequence

import streamlit as st

from kdcore.recipe import settings
from kdcore.store import RunState
from pages.parts import formatting

MOST_COLUMNS = 8  # runs side by side; more of them are rows
MOST_CHANGES = 6  # of one run, in words


def draw(runs: Sequence[RunState], names: dict[str, str]) -> None:
    """A table of what differs: a row per setting, or a row per run where there are many."""
    st.subheader("What differs", anchor=False)
    known = [run for run in runs if run.settings]
    different = settings.differing([run.settings for run in known])
    for run in runs:
        if not run.settings:
            st.caption(f"The recipe of {run.id} cannot be read.")
    changes = changed_in_training(runs, names)
    if different:
        st.dataframe(rows(known, names, different), hide_index=True, alt="The settings in which the runs differ")
        st.caption("As in a recipe: settings that all of them share are left out.")
    elif changes:
        st.caption("Their recipes are the same, seed included; settings were changed while training.")
    else:
        st.caption("Nothing: their recipes are the same, seed included.")
    for line in changes:
        st.markdown(f"- {formatting.as_text(line)}")


def changed_in_training(runs: Sequence[RunState], names: dict[str, str]) -> list[str]:
    """What a user, or the recipe's own rule, changed during a run, a line for each run: it is not in the recipe."""
    found = []
    for run in runs:
        words = [change["words"] for change in run.knob_changes]
        words += [f"Weight of {each['term']}: lowered to × {each['factor']:.3g}" for each in run.adaptations]
        if words:
            shown = [
                *words[:MOST_CHANGES],
                *([f"{len(words) - MOST_CHANGES} more"] if len(words) > MOST_CHANGES else []),
            ]
            found.append(f"{names[run.id]}, changed while training: {'; '.join(shown)}")
    return found


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
