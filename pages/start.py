"""What this is, shown: a recorded run replays by itself, says what came of it, and one button trains it here."""

import streamlit as st

from kdcore import recipe as recipes
from kdcore.errors import UserError
from kdcore.paths import ASSETS
from kdcore.results.comparison import summarise
from kdcore.store import RunState, Store
from pages.parts import engine, page_table
from pages.parts.components.replay.replay import can_replay, replay
from pages.parts.formatting import percent, points

QUICK = "quick"


def main() -> None:
    st.title("Distillation Explorer")
    st.markdown(
        "A large network, the :violet[**teacher**], helps a small one, the :primary[**student**], to learn. Watch what is passed on: "
        "what each of them answers, where it looks, and how much better the student gets than its :orange[**twin**], "
        "the same network trained without a teacher."
    )
    recording = find_recording(engine.store())
    if recording:
        replay(engine.store(), recording.id)
    else:
        st.info("There is no recorded run here. Train one, and watch it live.", icon=":material/info:")
    left, right = st.columns([19, 12], gap="medium")  # as wide as the two halves of the replay
    if recording and recording.results:
        left.markdown(verdict(recording))
        left.caption(setting(recording))
    with right if recording else left:
        offer_training()
    lead_on()


def find_recording(store: Store) -> RunState | None:
    """The recording of the quick recipe, else any; None where there is none to replay."""
    recordings = [state for state in store.states() if state.recorded and can_replay(state)]
    return min(recordings, key=lambda state: state.name != QUICK, default=None)


def verdict(state: RunState) -> str:
    """The result in a sentence: never more than its interval allows."""
    results = state.results
    count = results["student"].get("count")
    right = f"{percent(results['student']['top1'])} of {f'{count:,.0f} ' if count else ''}test images right"
    if "difference" not in results:
        return f"The student got {right}."
    summary = summarise([results])
    gain = results["difference"]
    match summary.kind:
        case "helps":
            headline = f"Here the teacher is worth {100 * gain['top1']:.1f} percentage points."
        case "harms":
            headline = f"Here the teacher costs {-100 * gain['top1']:.1f} percentage points."
        case _:
            headline = "Here the teacher makes no clear difference."
    return (
        f"**{headline}** With it the student gets {right}, its twin without it {percent(results['student']['top1'] - gain['top1'])}; "
        f"95 % interval of the difference: {points(gain['low'])} to {points(gain['high'])} points, one run."
    )


def setting(state: RunState) -> str:
    """What the training images were, in words."""
    if state.labelled_images < state.train_images:
        return (
            f"The setting: few labels. Only {state.labelled_images:,} of {state.train_images:,} training images carry theirs; the twin "
            "learns from these alone, the student also from the teacher's answers on all. Where labels are plenty, a teacher adds less."
        )
    return f"The setting: all {state.train_images:,} training images carry their label, for the student and its twin alike."


def offer_training() -> None:
    """The one thing to do next: train it here, or watch what already trains."""
    active = engine.runner().active()
    if active:
        if st.button("Watch the run in progress", type="primary", icon=":material/monitoring:", width="stretch"):
            st.switch_page(page_table.TRAIN, query_params={"run": active[0]})
        st.caption("This computer is busy with a run. A new one would wait for it.")
        return
    if st.button("Train it here", type="primary", icon=":material/play_arrow:", width="stretch"):
        try:
            run_id = engine.runner().start(recipes.load(ASSETS / "recipes" / f"{QUICK}.yaml"))[0]
        except UserError as error:
            st.error(str(error))
        else:
            st.switch_page(page_table.TRAIN, query_params={"run": run_id})
    st.caption("Two minutes on two processor cores, on images that this program draws itself.")


def lead_on() -> None:
    """Three small cards to the other pages."""
    cards = [
        (page_table.ATTENTION, "Compare on your own photo", ":material/visibility:"),
        (page_table.TRAIN, "Set up a run of your own", ":material/tune:"),
        (page_table.RUNS, "Look at all runs", ":material/stacked_line_chart:"),
        (page_table.STUDIES, "See it fail, on purpose", ":material/science:"),
    ]
    for column, (page, label, icon) in zip(st.columns(len(cards)), cards, strict=True):
        with column.container(border=True):
            st.page_link(page, label=label, icon=icon)


main()
