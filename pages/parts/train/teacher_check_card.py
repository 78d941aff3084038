"""What the doctor says of the teacher, beside the Start button; its remedies are buttons that change the recipe."""

import streamlit as st

from kdcore import recipe as recipes
from kdcore.checks.findings import Examination, Finding, Remedy
from kdcore.errors import UserError
from kdcore.recipe import Recipe
from pages.parts import engine
from pages.parts.train import presets

ICONS = {
    "ok": ":green[:material/check_circle:]",
    "warn": ":orange[:material/warning:]",
    "stop": ":red[:material/block:]",
}
ANYWAY = Remedy("Run it all the same", ("teacher.accept=true",))
ASKED = "examined-teachers"  # in the session's state: recipes whose teacher was asked for by hand


def examine(recipe: Recipe) -> bool:
    """Draw the card. True where the run would be stopped.

    It is filled by itself where that costs seconds; else a button asks.
    """
    if recipe.teacher is None:
        return False
    if not engine.examined_unasked(recipe) and key_of(recipe) not in st.session_state.get(ASKED, ()):
        st.markdown("**Teacher**")
        st.button(
            "Examine the teacher", icon=":material/stethoscope:", on_click=ask, args=(recipe,), key="examine",
            help="Some hundred images: accuracy, classes, normalisation, calibration, soft labels. A run does it too.",
        )  # fmt: skip
        return False
    try:
        with st.spinner("Examining the teacher …"):
            examination = engine.examine(recipe)
    except UserError as error:
        st.error(str(error), icon=":material/block:")
        return True
    show(examination, recipe)
    return bool(blocking(examination, recipe))


def blocking(examination: Examination, recipe: Recipe) -> list[Finding]:
    accepted = recipe.teacher is not None and recipe.teacher.accept
    return [finding for finding in examination.stops if finding.final or not accepted]


def show(examination: Examination, recipe: Recipe) -> None:
    """One line where all is well; else what is not, with its remedies."""
    stops = blocking(examination, recipe)
    st.markdown(f"**Teacher** &ensp; {ICONS[examination.verdict]} {headline(examination, bool(stops))}")
    for place, finding in enumerate(examination.findings):
        if finding.verdict == "ok":
            continue
        box = st.error if finding in stops else st.warning
        box(finding.finding)
        remedies = [remedy for remedy in finding.remedies if remedy.changes]
        by_hand = [remedy.title for remedy in finding.remedies if not remedy.changes]
        if finding in stops and not finding.final:
            remedies.append(ANYWAY)
        for choice, remedy in enumerate(remedies):
            st.button(
                remedy.title, type="tertiary" if remedy is ANYWAY else "secondary", on_click=apply, args=(recipe, remedy),
                key=f"remedy-{place}-{choice}", width="stretch",
            )  # fmt: skip
        if by_hand:
            st.caption(f"{'Or: ' if remedies else ''}{'; '.join(by_hand)}.")
    fine = [finding for finding in examination.findings if finding.verdict == "ok"]
    with st.expander("What was looked at" if fine else "Nothing else was looked at"):
        for finding in fine:
            st.markdown(f"{ICONS['ok']} **{finding.check.capitalize()}**  \n:small[{finding.finding}]")
        if examination.images:
            st.caption(f"{examination.images} images, {examination.seconds:.1f} s.")


def headline(examination: Examination, stopped: bool) -> str:
    figures = examination.figures
    words = f"{100 * figures['top1']:.1f} % right on {examination.images} images" if "top1" in figures else ""
    if not words and examination.verdict == "ok":
        words = "is fine-tuned on these images first"
    if stopped:
        return f"{words + ': ' if words else ''}should not teach here"
    warned = sum(finding.verdict != "ok" for finding in examination.findings)
    return words + (f", {warned} warning{'s' if warned > 1 else ''}" if warned else "") if words else "see below"


def ask(recipe: Recipe) -> None:
    st.session_state[ASKED] = {*st.session_state.get(ASKED, ()), key_of(recipe)}


def key_of(recipe: Recipe) -> str:
    """What was asked about: teacher and images, whatever else of the recipe changes."""
    assert recipe.teacher is not None
    return f"{recipe.teacher.model_dump_json()} {recipe.data.model_dump_json()}"


def apply(recipe: Recipe, remedy: Remedy) -> None:
    mended = recipes.with_overrides(recipe, list(remedy.changes))
    presets.take(presets.EDITED, mended.to_yaml(), "text")
