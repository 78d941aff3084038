"""The numbers of every test set and measure as a table and as CSV, and what each measure means."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages.parts.robustness import measured, overview

if TYPE_CHECKING:
    from kdcore.inspection.robustness import Row
    from pages.parts.robustness.closer import Closer


def show(closer: Closer) -> None:
    rows = measured.of(closer.running.shown, closer.chosen)
    if not rows:
        st.info("These networks have not been evaluated yet.", icon=":material/info:")
        return
    known = measured.measures(rows)
    picked = st.session_state.get(overview.MEASURE)
    chosen = next((row for row in known.values() if measured.label(row) == picked), next(iter(known.values())))
    of_measure = [row for row in rows if row.measure == chosen.measure]
    st.markdown(f"**{chosen.title}.** Choose another measure above the chart; the CSV has all {len(known)}.")
    st.dataframe(table(of_measure, closer), hide_index=True, width="stretch", height="content", placeholder="")
    explain_transfer(closer)
    st.download_button(
        "All numbers (CSV)", lambda: as_csv(closer), "robustness.csv", "text/csv", icon=":material/table:", on_click="ignore",
        key="numbers-csv",
    )  # fmt: skip
    with st.expander("What the measures mean", icon=":material/help:"):
        st.markdown("\n".join(f"- **{row.title}**: {row.sentence}" for row in known.values()))


def as_csv(closer: Closer) -> str:
    from kdcore.inspection import robustness

    return robustness.as_csv(closer.running.shown, dict(closer.chosen.roles) or None)


def table(rows: list[Row], closer: Closer) -> pd.DataFrame:
    """The chart's numbers in words."""
    return pd.DataFrame([line(row, closer) for row in rows])


def line(row: Row, closer: Closer) -> dict[str, str]:
    title, strength = measured.titled(row.condition, closer.cards)
    values = {
        heading: measured.in_words(row.values[reference], row.unit)
        for heading, reference in closer.chosen.networks.items()
        if reference in row.values
    }
    named = closer.chosen.difference
    return {
        "Test set": title,
        "Strength": strength,
        **values,
        **({named: measured.gap_of(row)[0]} if named else {}),
        **({"Transfer": transfer(row), "In words": row.transfer_sentence} if len(closer.chosen.roles) == 3 else {}),
    }


def transfer(row: Row) -> str:
    """`62 % (40 to 85), over-distilled`; the sentence has the reason why it is not defined."""
    if row.transfer is None or not math.isfinite(row.transfer[0]):
        return "not defined"
    return f"{measured.share_of_way(row.transfer)}{', over-distilled' if row.over_distilled else ''}"


def explain_transfer(closer: Closer) -> None:
    if len(closer.chosen.roles) < 3:
        return
    st.caption(
        "Transfer: where the student stands between the twin (0 %) and the teacher (100 %). It is not defined where these "
        f"two do not differ. Over-distilled: {measured.OVER_DISTILLED[0].lower()}{measured.OVER_DISTILLED[1:]}"
    )
