"""The form on Train: start from a preset, change it, see the estimated cost, start the run."""

import re
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from kdcore import recipe as recipes
from kdcore.data import datasets
from kdcore.errors import UserError
from kdcore.recipe import Recipe, RecipeError, weight_conventions
from pages.parts import buttons, engine, formatting, page_table
from pages.parts.roles import control, role
from pages.parts.train import fields, formula, input_preview, presets, schedule_chart, teacher_check_card
from pages.parts.train.sections import choose_data, choose_length, choose_networks
from pages.parts.train.term_form import choose_terms

TITLES = {"data": "Data", "networks": "Networks", "terms": "Loss terms", "length": "Training"}
WARNED = {"length": "length", "student": "networks"}  # finding -> section; others are shown with the terms
START = ":material/play_arrow:"
EVENT_FILES = "event-files"
Spots = dict[str, DeltaGenerator]  # section -> where its errors are shown


def show() -> None:
    st.title("Train a student", anchor=False)
    then = "then start the run and watch it live" if role.is_operator() else "and see the loss that a run would have"
    st.caption(f"Choose data, teacher, student and loss, {then}.")
    choices, summary = st.columns([3, 2], gap="large")
    spots: Spots = {}
    with choices:
        base, key = presets.choose()
        note, plain = st.container(), base.model_dump(mode="json")
        with section("data", spots):
            choose_data(plain["data"], key)
            preview = st.container()
        with section("networks", spots):
            choose_networks(plain, key)
        with section("terms", spots):
            terms = st.container()
        with section("length", spots):
            choose_length(plain, key)
        with terms:
            plain["terms"] = choose_terms(plain["terms"], plain["epochs"], key)
        recipe, problem = parsed(plain, spots)
        with note:
            recipe = presets.with_note(base, recipe)
        if recipe:
            presets.remember(base, recipe)
            problem = checked(recipe, spots)
        if recipe and not problem:
            with preview:
                input_preview.show(recipe.data, key)
        presets.edit_as_text(recipe or base, key)
    with summary, st.container(border=True):
        if recipe and not problem:
            sum_up(recipe, spots)
        else:
            not_ready(problem)


def section(name: str, spots: Spots) -> DeltaGenerator:
    box = st.container(border=True, key=f"section-{name}")
    box.markdown(f"**{TITLES[name]}**")
    inside = box.container()
    spots[name] = box.container()
    return inside


def parsed(plain: dict[str, Any], spots: Spots) -> tuple[Recipe | None, str]:
    """The recipe, or None and what to do about it. Each reason is shown in the section that it belongs to."""
    try:
        return recipes.from_plain(plain, source="This"), ""
    except RecipeError as error:
        lines = [line.removeprefix("  - ") for line in str(error).splitlines()[1:]]
        return None, to_change([shown_in(line, spots, "length") for line in lines])


def checked(recipe: Recipe, spots: Spots) -> str:
    """What to do before the recipe can run; empty where it can. Each reason is shown in the section that it belongs to."""
    if "path" in datasets.get(recipe.data.name).own_keys and not recipe.data.path:  # no error before anything is typed
        if role.is_operator():
            return "Type the folder of your images, or upload it as a ZIP file."
        return "Choose other data: folders are the operator's."
    try:
        engine.check_data(recipe.data)
    except UserError as error:
        return to_change([shown_in(str(error), spots, "data", always=True)])
    if not role.is_operator():
        return ""  # networks are built for the operator alone
    problems = []
    for finding in engine.findings(recipe):
        if finding.verdict == "warn":
            with spots[WARNED.get(finding.check, "terms")]:
                teacher_check_card.draw_finding(finding, recipe, finding.check)
        elif finding.check == "pairing":
            problems.append(shown_in(finding.in_words, spots, "terms", always=True))
        elif finding.check != "classes":  # which the teacher check shows, with its remedies as buttons
            problems.append(shown_in(finding.in_words, spots, "networks"))
    return to_change(problems) if problems else ""


def shown_in(message: str, spots: Spots, section: str, *, always: bool = False) -> str:
    """Show an error in the section that it names first, or (`always`, or where it names none) in the given one.

    Returns the section.
    """
    message = fields.labelled(message)
    place = section if always else section_of(message, section)
    spots[place].error(formatting.message(message))
    return place


def to_change(sections: list[str]) -> str:
    """Where the reasons are that were shown with `shown_in`: `Change what is marked in red under Data and Loss terms.`"""
    *most, last = [title for name, title in TITLES.items() if name in sections]
    return f"Change what is marked in red under {', '.join(most) + ' and ' if most else ''}{last}."


def section_of(message: str, otherwise: str) -> str:
    """The section for a message: by the first key that it names, else by the first word that names a section."""
    if section := fields.section_of(message):
        return section
    words = {"data": "data", "teacher": "networks", "student": "networks", "model": "networks", "weights": "networks",
             "term": "terms", "terms": "terms", "method": "terms", "epochs": "length", "seeds": "length"}  # fmt: skip
    named = next((word for word in re.findall(r"[a-z]+", message.lower()) if word in words), None)
    return words[named] if named else otherwise


def not_ready(problem: str) -> None:
    """What to do before a run can start, and the button without effect."""
    st.markdown("**Not ready to start**")
    st.markdown(f":red[:material/block:] {formatting.message(problem)}")
    buttons.forget("start")
    if role.is_operator():
        st.button("Start training", icon=START, width="stretch", disabled=True, key="cannot-start")


def sum_up(recipe: Recipe, spots: Spots) -> None:
    """The loss as a formula, the teacher check, the estimated cost, the button."""
    methods = engine.methods()
    st.markdown("**Total loss of the student**")
    st.latex(formula.latex(recipe.terms, methods))
    st.caption(formula.legend(recipe.terms, methods))
    if not role.is_operator():
        control.only_the_operator("start runs; this form shows what a run would do")
        explain(recipe)
        return
    # drawn first, so that it is there during the teacher check and the cost estimate
    teacher, price, button, further = st.container(), st.container(), st.empty(), st.container()
    event_files = bool(st.session_state.get(EVENT_FILES))
    if buttons.pressed("Start training", key="start", place=button, type="primary", icon=START, width="stretch"):
        start(recipe, event_files=event_files)
    event_files_switch()
    with further:
        show_queue(busy := engine.runner().active())
        explain(recipe)
    with teacher:
        stopped = teacher_check_card.draw(recipe)
    with price:
        ready = not stopped and cost_of(recipe, bool(busy), spots)
    if not ready:
        button.button("Start training", icon=START, width="stretch", disabled=True, key="cannot-start")


def event_files_switch() -> None:
    """Whether runs that are started here write TensorBoard event files; no part of the recipe."""
    st.toggle(
        "TensorBoard files", key=EVENT_FILES, bind="query-params",
        help="Also writes event files into the run's folder while it trains: tensorboard --logdir runs",
    )  # fmt: skip


def show_queue(busy: tuple[str, ...]) -> None:
    """The run that a new one would wait for, if any."""
    if busy:
        st.caption(f"It will be queued: {formatting.as_text(engine.store().state(busy[0]).name)} is training now.")
        page_table.go_button("Watch the current run", ":material/monitoring:", page_table.TRAIN, run=busy[0])


def explain(recipe: Recipe) -> None:
    """Expanders: schedules over the run, definitions of the terms, equivalent weights in other implementations."""
    methods = engine.methods()
    with st.expander("Schedules", icon=":material/show_chart:"):
        schedule_chart.draw(recipe, [name for name, method in methods.items() if method.uses_temperature])
    if defined := formula.definitions(recipe.terms, methods):
        with st.expander("Definitions of the terms", icon=":material/function:"):
            for name, method in defined.items():
                st.markdown(f"**{method.card.title}** · {method.card.paper}")
                st.latex(formula.in_full(name, method.card.formula))
                st.caption(method.card.symbols)
    classes = engine.data_classes(recipe.data)
    summed = {name for name, method in methods.items() if method.summed_over_classes}
    if classes and (found := weight_conventions.translations(recipe.terms, classes, recipe.epochs, summed=summed)):
        with st.expander("Equivalent weights in other implementations", icon=":material/translate:"):
            st.caption(
                "In this project a divergence is summed over the classes, averaged over the batch and multiplied by "
                "the squared temperature. Other conventions need these weights for the same gradient:"
            )
            several = len({translation.term for translation in found}) > 1
            st.table(
                {
                    (f"{formatting.as_text(each.term)}, " if several else "") + each.convention: f"{each.weight:.4g}" for each in found
                },
                border="horizontal",
            )  # fmt: skip


def cost_of(recipe: Recipe, busy: bool, spots: Spots) -> bool:
    """Show the estimated cost. False if the estimate fails, since the run would fail too."""
    st.markdown("**Estimated cost**")
    if busy and not st.button("Estimate now", help="Slows down the current run for a few seconds."):
        return True
    try:
        with st.spinner("Timing a few steps on this device …"):
            show_cost(recipe, engine.estimate(recipe))
    except UserError as error:
        st.markdown(f":red[:material/block:] {to_change([shown_in(str(error), spots, 'networks')])}")
        return False
    return True


def start(recipe: Recipe, *, event_files: bool) -> None:
    try:
        ids = engine.runner().start(recipe, event_files=event_files)
    except UserError as error:
        st.error(formatting.message(str(error)))
    else:
        st.query_params.from_dict({"run": ids[0]})
        st.rerun()


def show_cost(recipe: Recipe, cost: engine.Cost) -> None:
    runs = len(recipe.seeds)
    time = formatting.duration(cost.seconds * runs) + (f" for {runs} runs" if runs > 1 else "")
    where = "the CPU" if cost.device == "cpu" else f"the GPU ({cost.device})"
    lines = {
        "Time": f"**about {time}** on {formatting.as_text(where)}",
        "Images": f"{formatting.count(cost.images)} × {recipe.epochs} epoch{'s' * (recipe.epochs != 1)} = {cost.steps:,} steps",
        ":primary[Student]": size(cost.student_parameters, cost.student_flops),
    }
    if cost.curves_seconds:
        each = f"{len(recipe.robustness.sets)} × {recipe.robustness.images:,} images after every epoch"
        lines["Perturbed images"] = f"{formatting.duration(cost.curves_seconds * runs)} more: {each}"
    if cost.teacher_parameters:
        lines[":violet[Teacher]"] = size(cost.teacher_parameters, cost.teacher_flops)
        lines[":violet[Teacher outputs]"] = teacher_outputs(recipe, cost)
    st.table(lines, border="horizontal")
    for download in cost.downloads:
        st.warning(formatting.message(download), icon=":material/download:")


def size(parameters: int, flops: int) -> str:
    return f"{formatting.count(parameters)} parameters, {formatting.count(flops)} FLOPs an image"


def teacher_outputs(recipe: Recipe, cost: engine.Cost) -> str:
    """The share of time that the teacher's outputs take, and what caching them saves."""
    views, share = recipe.kept_views, f"{formatting.percent(cost.teacher_share, 0)} of the time"
    if not views:
        return f"computed in every step, {share}"
    if cost.view_bytes is None:
        return "not needed: no term uses them"
    cached = f"cached, {formatting.disk(views * cost.view_bytes)} on disk"
    if views >= recipe.epochs:
        return f"{cached} for other runs; this one computes them in every step, {share}"
    return f"{cached}: from epoch {views + 1} on a step takes {formatting.percent(cost.teacher_share, 0)} less time"
