"""Start: a recorded run replays with its result, and one button trains the same recipe here."""

import streamlit as st

from kdcore import recipe as recipes
from kdcore.errors import UserError
from kdcore.paths import ASSETS
from kdcore.results.comparison import sentence, summarise
from kdcore.store import RunState, Store
from pages.parts import buttons, engine, page_table
from pages.parts.formatting import message, percent
from pages.parts.roles import control, role
from pages.parts.runs import moments
from pages.parts.start import walk

QUICK = "quick"
PICTURES_WIDTH = 480  # of the replay's right half: the button is as wide and below it


def main() -> None:
    if walk.number():
        walk.show()
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title("Distillation Explorer", width="content")
        st.space("stretch")
        walk.offer()
    st.markdown(
        "A large network, the :violet[**teacher**], can help a small one, the :primary[**student**], to learn. Compare "
        "what each predicts, where it looks, and whether the student gets better than its :orange[**twin**], the same "
        "network trained without a teacher."
    )
    recording = find_recording(engine.store())
    if recording:
        moments.show(engine.store(), recording, plays=True)
    else:
        st.info("No recorded run found. Train one and watch it live.", icon=":material/info:")
    with st.container(horizontal=True, gap="medium"):
        if recording and recording.results:
            with st.container():
                st.markdown(verdict(recording))
                st.caption(setting(recording))
        with st.container(width=PICTURES_WIDTH):
            offer_training()
    lead_on()


def find_recording(store: Store) -> RunState | None:
    """The recording of the quick recipe, else any other; None if none can be replayed."""
    recordings = [state for state in store.states() if state.recorded and moments.can_replay(state)]
    return min(recordings, key=lambda state: state.name != QUICK, default=None)


def verdict(state: RunState) -> str:
    """The result in a sentence: never more than its interval allows."""
    results = state.results
    count = results["student"].get("count")
    share = f"{percent(results['student']['top1'])} of {f'{count:,.0f} ' if count else ''}test images"
    if "twin" not in results:
        return f"The student classifies {share} correctly."
    return (
        f"**{sentence(summarise([state.outcome]))}** One run: the student classifies {share} correctly, its twin "
        f"{percent(results['twin']['top1'])}."
    )


def setting(state: RunState) -> str:
    """How many of the training images are labelled, in words."""
    if state.labelled_images < state.train_images:
        return (
            f"Few labels: {state.labelled_images:,} of {state.train_images:,} training images are labelled. The twin "
            "learns from those alone, the student also from the teacher's outputs on all images."
        )
    return f"All {state.train_images:,} training images are labelled, for the student and its twin alike."


def offer_training() -> None:
    """The next step: watch the run that is training, else train it here; a visitor tries a photo instead."""
    active = engine.runner().active()
    if active:
        if st.button("Watch the run in progress", type="primary", icon=":material/monitoring:", width="stretch"):
            st.switch_page(page_table.TRAIN, query_params={"run": active[0]})
        st.caption("A run is in progress. A new run would be queued.")
        return
    if not role.is_operator():
        if st.button("Try it on a photo", type="primary", icon=":material/visibility:", width="stretch"):
            st.switch_page(page_table.ATTENTION)
        control.only_the_operator("train it here")
        return
    if buttons.pressed(
        "Train it here", key="train-here", type="primary", icon=":material/play_arrow:", width="stretch"
    ):
        try:
            run_id = engine.runner().start(recipes.load(ASSETS / "recipes" / f"{QUICK}.yaml"))[0]
        except UserError as error:
            st.error(message(str(error)))
        else:
            st.switch_page(page_table.TRAIN, query_params={"run": run_id})
    st.caption("Two to four minutes on two CPU cores. The images are generated, so nothing is downloaded.")


def lead_on() -> None:
    """Links to the other pages; a visitor finds no button there that starts a run."""
    own = role.is_operator()
    cards = [
        (page_table.ATTENTION, "Compare on your own photo", ":material/visibility:"),
        (page_table.TRAIN, "Set up your own run" if own else "See the settings of a run", ":material/tune:"),
        (page_table.RUNS, "See all runs", ":material/stacked_line_chart:"),
        (page_table.STUDIES, "Try common pitfalls" if own else "Read common pitfalls", ":material/science:"),
    ]
    for column, (page, label, icon) in zip(st.columns(len(cards)), cards, strict=True):
        with column.container(border=True):
            st.page_link(page, label=label, icon=icon)


main()
