"""Pruning on a finished run's page: fewer channels, then fine-tuning by distillation as a new run that can be compared."""

import time

import streamlit as st

from kdcore.errors import UserError
from kdcore.recipe import Recipe
from kdcore.recipe.limits import limits
from kdcore.store import RunState
from pages.parts import engine, formatting, page_table

SCORES = {
    "attention": "Where the teacher looks",
    "energy": "Energy",
    "magnitude": "Size of weights",
    "random": "Random",
}
HELP = (
    "What a channel is worth: the energy that it brings into the next layers where the teacher looks; the same wherever it is; "
    "the norm of its weights; or a random number, the control. All lead to networks of the same shape."
)
LEAST, MOST = 10, 90  # % of the multiply-accumulates
EPOCHS = 5
POLL_SECONDS = 1.0


def show(run: RunState, recipe: Recipe) -> None:
    """What to prune and how; while it is pruned, a button that stops it; then a link to the run that fine-tunes it."""
    st.markdown("**Smaller by pruning**")
    found = engine.pruning_of(run.id)
    if found and found.going:
        st.fragment(_progress, run_every=POLL_SECONDS)(run.id)
        return
    if found and found.problem and found.stop.is_set():
        st.info("The pruning was stopped. Nothing of it is left.", icon=":material/stop:")
    elif found and found.problem:
        st.error(formatting.message(found.problem))
    elif found and found.run:
        st.success(f"Pruned to {100 * found.to:.0f} % of the MACs; a new run fine-tunes it.", icon=":material/check:")
        st.caption(formatting.message(found.words))
        page_table.go_button("Watch the fine-tuning", ":material/monitoring:", page_table.TRAIN, run=found.run)
        if st.button("Compare both runs", icon=":material/compare_arrows:", key="compare-pruned"):
            st.switch_page(page_table.RUNS, query_params=[("run", run.id), ("run", found.run)])
    _choose(run, recipe, found)


def _choose(run: RunState, recipe: Recipe, last: engine.Pruning | None) -> None:
    """The fields, with what was chosen last: they are not drawn while a network is pruned, and would forget it."""
    st.caption(
        "Channels are removed until a share of the multiply-accumulates (MACs) is left, and the rest is fine-tuned with this run's recipe, as "
        "a new run. Of a vision transformer, hidden units of its MLPs and whole attention heads are removed."
    )
    networks = [name for name in ("student", "twin") if name in run.results]
    scores = [name for name in SCORES if name != "attention" or recipe.teacher]
    which, share, epochs = st.columns([2, 3, 2], vertical_alignment="bottom")
    network = which.selectbox(
        "Network to prune",
        networks,
        index=networks.index(last.network) if last else 0,
        format_func=str.capitalize,
        key="prune-network",
    )
    keep = share.slider("MACs to keep, %", LEAST, MOST, round(100 * last.to) if last else 50, step=5, key="prune-share")
    length = epochs.number_input(
        "Fine-tuning, epochs", *limits(Recipe, "epochs"), last.epochs if last else EPOCHS, key="prune-epochs"
    )
    picked = st.segmented_control(
        "Channels are kept by", scores, default=last.score if last else scores[0], format_func=SCORES.get, required=True, key="prune-score", help=HELP,
    )  # fmt: skip
    if st.button("Prune and fine-tune", icon=":material/content_cut:", key=f"prune-{run.id}"):
        try:
            engine.start_pruning(run.id, network, keep / 100, picked or scores[0], length)
        except UserError as error:
            st.error(formatting.message(str(error)))
        else:
            st.rerun()


def _progress(run_id: str) -> None:
    found = engine.pruning_of(run_id)
    if found is None or not found.going:
        st.rerun()
    seconds = formatting.duration(time.monotonic() - found.began)
    st.info(
        f"Pruning the {found.network} to {100 * found.to:.0f} % of its MACs: channels are scored, removed and checked ({seconds}). "
        f"Then {found.epochs} epoch{'s' * (found.epochs != 1)} of fine-tuning start as a new run.",
        icon=":material/hourglass_top:",
    )
    if found.stop.is_set():
        st.caption("It is being stopped.")
    else:
        key = f"stop-pruning-{run_id}"
        st.button("Stop pruning", icon=":material/stop:", key=key, on_click=engine.stop_pruning, args=(run_id,))
