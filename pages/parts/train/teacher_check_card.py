"""The teacher check beside the Start button; its remedies are buttons that change the recipe."""

import dataclasses

import streamlit as st

from kdcore import recipe as recipes
from kdcore.checks.findings import LEAST_SEEN
from kdcore.errors import UserError
from kdcore.recipe import Recipe
from pages.parts import engine, formatting
from pages.parts.engine import Finding, Remedy, TeacherCheck
from pages.parts.train import presets

ICONS = {
    "ok": ":green[:material/check_circle:]",
    "warn": ":orange[:material/warning:]",
    "stop": ":red[:material/block:]",
}
ANYWAY = Remedy("Run anyway", ("teacher.accept=true",))
REQUESTED = "examined-teachers"  # in the session's state: recipes whose check a visitor requested


def draw(recipe: Recipe) -> bool:
    """Draw the card. True where the run would be stopped.

    The check runs by itself where it takes seconds; else a button starts it.
    """
    if recipe.teacher is None:
        return False
    if not engine.teacher_check_is_quick(recipe) and key_of(recipe) not in st.session_state.get(REQUESTED, ()):
        st.markdown("**Teacher**")
        st.button(
            "Check the teacher", icon=":material/stethoscope:", on_click=request, args=(recipe,), key="examine",
            help="Accuracy, classes, normalisation, calibration and soft labels on a few hundred images. Every run "
            "starts with it.",
        )  # fmt: skip
        return False
    try:
        with st.spinner("Checking the teacher …"):
            checked = without_what_is_shown(engine.check_teacher(recipe))
    except UserError as error:
        st.error(formatting.message(str(error)), icon=":material/block:")
        return True
    show(checked, recipe)
    return bool(blocking(checked, recipe))


def without_what_is_shown(checked: TeacherCheck) -> TeacherCheck:
    """The check without what the form shows already: terms that do not suit the networks, and a student that saw test images."""
    findings = tuple(each for each in checked.findings if each.check not in ("pairing", "student"))
    return dataclasses.replace(checked, findings=findings)


def blocking(checked: TeacherCheck, recipe: Recipe) -> list[Finding]:
    accepted = recipe.teacher is not None and recipe.teacher.accept
    return [finding for finding in checked.stops if finding.final or not accepted]


def show(checked: TeacherCheck, recipe: Recipe) -> None:
    """One line if all is well; else each warning or error with its remedies."""
    stops = blocking(checked, recipe)
    st.markdown(f"**Teacher** &ensp; {ICONS[checked.verdict]} {headline(checked, bool(stops))}")
    for place, finding in enumerate(checked.findings):
        if finding.verdict == "ok":
            continue
        if finding.check == "download":  # named below, with the estimated cost
            st.caption("It is checked when what the run downloads is there.")
            continue
        also = (ANYWAY,) if finding in stops and not finding.final else ()
        draw_finding(finding, recipe, str(place), stops=finding in stops, also=also)
    fine = [finding for finding in checked.findings if finding.verdict == "ok"]
    if not fine:
        return
    with st.expander("Passed checks"):
        for finding in fine:
            st.markdown(
                f"{ICONS['ok']} **{finding.check.capitalize()}**  \n:small[{formatting.message(finding.finding)}]"
            )
        if checked.images:
            st.caption(f"{checked.images} images, {checked.seconds:.1f} s.")


def draw_finding(
    finding: Finding, recipe: Recipe, key: str, *, stops: bool = False, also: tuple[Remedy, ...] = ()
) -> None:
    """A warning or error with its remedies, and `also` further ones: a button for each that changes the recipe."""
    (st.error if stops else st.warning)(formatting.message(finding.finding))
    remedies = [remedy for remedy in (*finding.remedies, *also) if remedy.changes]
    for choice, remedy in enumerate(remedies):
        st.button(
            formatting.message(remedy.title), type="tertiary" if remedy is ANYWAY else "secondary", on_click=apply, args=(recipe, remedy),
            key=f"remedy-{key}-{choice}", width="stretch",
        )  # fmt: skip
    if manual := [remedy.title for remedy in finding.remedies if not remedy.changes]:
        st.caption(f"{'Or: ' if remedies else ''}{formatting.message('; '.join(manual))}.")


def headline(checked: TeacherCheck, stopped: bool) -> str:
    figures = checked.figures
    words = f"{100 * figures['top1']:.1f} % correct on {checked.images} images" if "top1" in figures else ""
    if words and (seen := figures.get("seen", 0.0)) >= LEAST_SEEN:
        words += f", {formatting.percent(seen, 0)} of which it was trained on"
    if not words and checked.verdict == "ok":
        words = "will be fine-tuned on these images first"
    if stopped:
        return f"{words + ': ' if words else ''}not suited as a teacher here"
    warned = sum(finding.verdict != "ok" for finding in checked.findings)
    return words + (f", {warned} warning{'s' if warned > 1 else ''}" if warned else "") if words else "see below"


def request(recipe: Recipe) -> None:
    st.session_state[REQUESTED] = {*st.session_state.get(REQUESTED, ()), key_of(recipe)}


def key_of(recipe: Recipe) -> str:
    """Teacher and data: what the check depends on."""
    assert recipe.teacher is not None
    return f"{recipe.teacher.model_dump_json()} {recipe.data.model_dump_json()}"


def apply(recipe: Recipe, remedy: Remedy) -> None:
    changed = recipes.with_overrides(recipe, list(remedy.changes))
    presets.begin_with(presets.EDITED, changed.to_yaml(), "text")
