"""Results of the compared runs, with intervals: each network, student against twin, and students against one of them."""

import re
from collections.abc import Sequence
from typing import Any

import streamlit as st

from kdcore.results.comparison import (
    Compared,
    Conclusion,
    Figure,
    Summary,
    claim,
    conclude_all,
    corrected,
    summarise_all,
    with_student,
)
from kdcore.store import RunState
from kdcore.store.lists import alike
from pages.parts import engine, formatting
from pages.parts.runs import faults
from pages.parts.runs.result import outcome

MOST_SENTENCES = 6  # of comparisons; the table has them all


def over_seeds(runs: Sequence[RunState]) -> None:
    """A summary for each group of the selected runs that differ only in their seed, corrected for the number of groups."""
    store, by_id = engine.store(), {run.id: run for run in runs}
    groups = [group for group in alike.seed_groups(runs) if len(group) > 1]
    summaries = summarise_all([[store.outcome(run_id) for run_id in group] for group in groups], list(map(len, groups)))
    for group, summary in zip(groups, summaries, strict=True):
        seeds = {alike.seeds(by_id[run_id])[0]: by_id[run_id] for run_id in group}
        name = re.sub(r",? seed \d+$", "", by_id[group[0]].name)
        st.markdown(f"**{formatting.as_text(name)}**: one recipe, seeds {', '.join(map(str, seeds))}")
        outcome(summary, key=f"outcome-{group[0]}")
        faults.show_seeds(seeds)


def draw(runs: Sequence[RunState], names: dict[str, str]) -> None:
    """A row per finished run whose recipe can be read, and what may be claimed of their students."""
    finished = [run for run in runs if run.status == "finished" and "student" in run.results and run.settings]
    if not finished:
        return
    st.subheader("Results", anchor=False)
    base = finished[0]
    if len(finished) > 1:
        ids = [run.id for run in finished]
        chosen = st.selectbox(
            "Students against that of",
            ids,
            format_func=names.__getitem__,
            key="against",
            bind="query-params",
            width=320,
        )
        base = next(run for run in finished if run.id == chosen)
    gaps = against(base, finished)
    summaries = summarise_all([[run.outcome] for run in finished], [1] * len(finished))
    st.dataframe(
        [
            row(run, summary, names, base, gaps.get(run.id), others=len(finished) > 1)
            for run, summary in zip(finished, summaries, strict=True)
        ], hide_index=True,
        alt="Accuracies on the test images and differences, with their intervals",
    )  # fmt: skip
    st.caption(
        "Accuracy on the test images; differences in percentage points. Intervals of single runs cover the choice of these images, not the seed."
    )
    with_twin = [summary.difference for summary in summaries if summary.difference]
    if words := corrected(with_twin):
        st.caption(f"Student − twin: {words}")
    say(gaps, names, base)


def say(gaps: dict[str, Conclusion], names: dict[str, str], base: RunState) -> None:
    """What may be claimed against one of the runs, or the one reason why nothing may be."""
    reasons = {gap.why for gap in gaps.values()}
    if len(gaps) > 1 and len(reasons) == 1 and reasons != {""}:
        st.markdown(formatting.as_text(f"Against {names[base.id]}: no conclusion for any of them, {reasons.pop()}."))
        return
    for run_id, gap in list(gaps.items())[:MOST_SENTENCES]:
        words = f"against {names[base.id]}: {claim(gap, 'its student', 'the other')}"
        st.markdown(f"- **{formatting.as_text(names[run_id])}** {formatting.as_text(words)}")
    if len(gaps) > MOST_SENTENCES:
        st.caption(f"{len(gaps) - MOST_SENTENCES} more are in the table.")
    if words := corrected(gaps.values()):
        st.caption(words)


def against(base: RunState, runs: Sequence[RunState]) -> dict[str, Conclusion]:
    """Run id -> its student against that of another run, image by image, corrected for their number."""
    store = engine.store()
    first = store.outcome(base.id)
    others = [run.id for run in runs if run.id != base.id]
    pairs = [Compared((with_student(store.outcome(run_id), first),)) for run_id in others]
    return dict(zip(others, conclude_all(pairs), strict=True))


def row(
    run: RunState, summary: Summary, names: dict[str, str], base: RunState, gap: Conclusion | None, *, others: bool
) -> dict[str, Any]:
    """The figures of one run; `others`: there are runs to compare it with."""
    found: dict[str, Any] = {"Run": names[run.id]}
    for network in ("student", "twin", "teacher"):
        found[network.capitalize()] = (
            _accuracy(summary.networks[network]["top1"]) if network in summary.networks else ""
        )
    found["Student − twin"] = formatting.gap(summary.difference) if summary.difference else ""
    if others:
        found[f"Student − that of {names[base.id]}"] = formatting.gap(gap) if gap else ""
    return found


def _accuracy(figure: Figure) -> str:
    between = formatting.interval(figure)
    return formatting.percent(figure.mean) + (f"  ({between})" if between else "")
