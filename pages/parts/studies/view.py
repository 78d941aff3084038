"""One study: progress, conclusions, charts, table and its runs."""

import streamlit as st

from kdcore.errors import UserError
from kdcore.results.comparison import TWO_CLASSES, Summary, claim, corrected, covers_all, sentence
from kdcore.store import ACTIVE, StudyState
from pages.parts import engine, formatting, page_table
from pages.parts.refresh import refreshing
from pages.parts.roles import role
from pages.parts.runs.result import TITLES
from pages.parts.studies import chart, faults

SECONDS = 2.0
LONGEST_NAME = 24  # characters of the first variant's name in the head of a column


def show(study_id: str) -> None:
    """Draw a study. While it is active its header is refreshed; the rest is redrawn when a run has ended."""
    try:
        state = engine.studies().state(study_id)
    except UserError as error:
        st.title("Studies", anchor=False)
        st.error(formatting.message(str(error)))
        return
    st.title(formatting.as_text(state.name), anchor=False)
    if state.study.note:
        st.caption(formatting.message(state.study.note))
    st.session_state[f"drawn-{study_id}"] = state.version()
    refreshing(header, state.status in ACTIVE, SECONDS)(study_id)
    summaries = {label: summary for label, summary in state.summaries().items() if summary}
    if summaries:
        conclusions(summaries, state)
        faults.show(state)
        chart.draw(summaries)
    elif state.status in ACTIVE:
        st.info("The first result appears when the first run ends.", icon=":material/hourglass_empty:")
    missing_report(state)
    table(state)
    runs(state)
    with st.expander("Study (YAML)", icon=":material/description:"):
        st.code(state.study.to_yaml(), language="yaml")


def header(study_id: str) -> None:
    """Status, progress and buttons. When a run has ended, the whole page is redrawn."""
    state = engine.studies().state(study_id)
    if st.session_state.get(f"drawn-{study_id}") != state.version():
        st.rerun()
    label, colour, icon = formatting.STATUS[state.status]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(label, color=colour, icon=icon)
        st.space("stretch")
        controls(state)
    share = (state.done + state.pruned) / state.total
    words = [f"{state.done} of {state.total} runs done"]
    if state.pruned:
        words.append(f"{state.pruned} stopped early by the search")
    if now := state.now:
        words.append(f"now {now.name.removeprefix(f'{state.name}: ')}: {formatting.progress(now).lower()}")
        share += now.progress / state.total
    st.progress(min(share, 1.0), text=formatting.as_text(" · ".join(words)))
    reasons: dict[str, list[str]] = {}
    for place in state.places:
        if place.run and place.run.status == "failed":
            reasons.setdefault(place.run.reason, []).append(f"{place.point.variant}, seed {place.point.seed}")
    for reason, whose in reasons.items():
        st.error(f"{formatting.as_text('; '.join(whose))}: {formatting.message(reason)}")


def controls(state: StudyState) -> None:
    if role.is_operator():
        commands(state)
    st.download_button(
        "CSV", role.of_this_visit(lambda: engine.studies().csv(state.id)), f"{state.id}.csv", "text/csv", icon=":material/download:",
        on_click="ignore", help="One row per run: settings, seed and all metrics.",
    )  # fmt: skip
    if role.is_operator() and (file := engine.studies().report(state.id)):
        st.download_button(
            "Report", file.read_bytes, f"{state.id}.html", "text/html", icon=":material/download:", on_click="ignore",
            help="What passes on from the teachers, on every test set, with charts: one file for a browser.",
        )  # fmt: skip
    if role.is_operator() and state.status not in ACTIVE and st.button("Delete", icon=":material/delete:"):
        confirm_delete(state)
    page_table.go_button("All studies", ":material/science:", page_table.STUDIES)


def commands(state: StudyState) -> None:
    """Stop or continue the study."""
    runner = engine.runner()
    here = any(place.run_id in runner.active() for place in state.places)
    if state.status in ACTIVE and state.searching and not here:
        st.caption("Searching in another process, for example a terminal: stop it there.", width="content")
    elif state.status in ACTIVE:
        with st.popover("Stop", icon=":material/stop:"):
            st.markdown("Stop the runs of this study? They can be continued.")
            if st.button("Stop the study", icon=":material/stop:", type="primary"):
                report(engine.refusal(runner.stop_study, state.id))
    elif state.status != "finished" and st.button(
        continuing(state), icon=":material/play_arrow:", type="primary", key="continue"
    ):
        report(engine.refusal(runner.resume_study, state.id))


def continuing(state: StudyState) -> str:
    """What the button does: `Continue with 3 runs`, without those that a search stopped early; a search may add some."""
    if state.searching:
        return "Continue the search"
    left = sum(not place.ended for place in state.places)
    return f"Continue with {left} run{'s' * (left != 1)}"


def missing_report(state: StudyState) -> None:
    """How to get the report of a study with test sets that has none yet."""
    wanted = role.is_operator() and state.status == "finished" and state.study.test_sets
    if wanted and not engine.studies().report(state.id):
        st.info(
            f"This study has test sets. Its report is made in a terminal: `python -m kdcore study evaluate {state.id}`",
            icon=":material/terminal:",
        )


def report(trouble: str) -> None:
    if trouble:
        st.error(formatting.message(trouble))
    else:
        st.rerun()


@st.dialog("Delete this study?", icon=":material/delete:")
def confirm_delete(state: StudyState) -> None:
    st.markdown(f"**{formatting.as_text(state.name)}**")
    st.caption("The study and its table are deleted. Its runs stay on the page Runs.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", icon=":material/delete:", key="delete-study-for-good"):
            if trouble := engine.refusal(engine.studies().delete, state.id):
                st.error(formatting.message(trouble))
            else:
                st.query_params.clear()
                st.rerun()
        if st.button("Cancel"):
            st.rerun()


def conclusions(summaries: dict[str, Summary], state: StudyState) -> None:
    """One sentence per variant, one for each variant against the first, and what the intervals mean."""
    first = " and ".join(dict.fromkeys(map(state.base, state.variants())))
    gaps = {label: gap for label, gap in state.against().items() if gap}
    with st.container(border=True):
        if any(summary.difference for summary in summaries.values()):
            st.markdown("**Student − twin**")
            lines({label: sentence(summary) for label, summary in summaries.items()})
        if gaps:
            st.markdown(f"**Students against that of {formatting.as_text(first)}**")
            lines({label: claim(gap, "its student", f"that of {state.base(label)}") for label, gap in gaps.items()})
        st.caption(covers_all(summaries.values()))
        if words := corrected(gaps.values()):
            st.caption(f"Students against that of {formatting.as_text(first)}: {words}")


def lines(found: dict[str, str]) -> None:
    st.markdown(
        "\n".join(f"- **{formatting.as_text(label)}:** {formatting.as_text(words)}" for label, words in found.items())
    )


def table(state: StudyState) -> None:
    """A row per variant; missing values are blank."""
    summaries, gaps = state.summaries(), state.against()
    bases = set(map(state.base, summaries))
    first = bases.pop() if len(bases) == 1 else "first with its network"
    first = first if len(first) <= LONGEST_NAME else "first variant"
    rows = []
    for label, summary in summaries.items():
        row = {"Variant": label, "Seeds": f"{summary.seeds if summary else 0} of {len(state.study.seeds)}"}
        if summary:
            row |= {name.capitalize(): accuracy(summary, name) for name in ("student", "twin", "teacher")}
            row["Student − twin"] = formatting.gap(summary.difference) if summary.difference else ""
            if gaps:
                gap = gaps.get(label)
                row[f"Student − {first}"] = formatting.gap(gap) if gap else ""
            for metric in TWO_CLASSES:
                if figure := summary.networks["student"].get(metric):
                    row[
                        f"{TITLES[metric].capitalize() if TITLES[metric].islower() else TITLES[metric]} of the student"
                    ] = f"{figure.mean:.3f}" + (f"  ({figure.low:.3f} to {figure.high:.3f})" if figure.bounded else "")
            row["Time per run"] = formatting.duration(state.seconds(label) or 0)
        rows.append(row)
    st.dataframe(
        rows, hide_index=True, placeholder="", alt="Each variant's accuracy and difference with their intervals"
    )
    st.caption(  # a longer title would be cut
        "Accuracies have 95 % intervals in brackets; differences are in percentage points, with the intervals of the sentences above."
    )


def accuracy(summary: Summary, network: str) -> str:
    if network not in summary.networks:
        return ""
    top1 = summary.networks[network]["top1"]
    between = formatting.interval(top1)
    return formatting.percent(top1.mean) + (f"  ({between})" if between else "")


def runs(state: StudyState) -> None:
    """The runs of the study, each a link."""
    with st.expander("Runs of this study", icon=":material/stacked_line_chart:"):
        for label, places in state.variants().items():
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{formatting.as_text(label)}**", width="content")
                for place in places:
                    words, _, icon = formatting.STATUS[place.run.status if place.run else "created"]
                    text = f"Seed {place.point.seed}: {words.lower() if place.run else 'not started'}"
                    if st.button(
                        text, icon=icon, key=f"run-{place.run_id}", disabled=place.run is None, type="tertiary"
                    ):
                        st.switch_page(page_table.TRAIN, query_params={"run": place.run_id})
        there = [place.run_id for place in state.places if place.run]
        if len(there) > 1 and st.button("Compare their curves", icon=":material/stacked_line_chart:"):
            st.switch_page(page_table.RUNS, query_params={"run": there})
