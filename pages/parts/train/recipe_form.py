"""The form that makes a recipe: a preset, and what of it is to be different. Says what it will cost before it starts."""

import re
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from kdcore import recipe as recipes
from kdcore.checks import preflight
from kdcore.errors import UserError
from kdcore.recipe import Recipe, RecipeError, weight_conventions
from pages.parts import engine, formatting, page_table
from pages.parts.train import formula, input_preview, presets, schedule_chart, teacher_check_card
from pages.parts.train.sections import choose_data, choose_length, choose_networks
from pages.parts.train.term_form import choose_terms

START = ":material/play_arrow:"
Spots = dict[str, DeltaGenerator]  # where a section's errors are said


def show() -> None:
    st.title("Train a student", anchor=False)
    st.caption("Choose who teaches whom, and on what. The run then starts here, and you can watch it learn.")
    choices, summary = st.columns([3, 2], gap="large")
    spots: Spots = {}
    with choices:
        base, key = presets.choose()
        plain = base.model_dump(mode="json")
        with section("Images", "data", spots):
            choose_data(plain["data"], key)
            preview = st.container()
        with section("Networks", "networks", spots):
            choose_networks(plain, key)
        with section("What the student learns from", "terms", spots):
            terms = st.container()
        with section("Length", "length", spots):
            choose_length(plain, key)
        with terms:
            plain["terms"] = choose_terms(plain["terms"], plain["epochs"], key)
        recipe = checked(plain, spots)
        if recipe:
            with preview:
                input_preview.show(recipe.data, key)
        presets.edit_as_text(recipe or base, key)
    with summary, st.container(border=True):
        sum_up(recipe, spots)


def section(title: str, name: str, spots: Spots) -> DeltaGenerator:
    box = st.container(border=True)
    box.markdown(f"**{title}**")
    inside = box.container()
    spots[name] = box.container()
    return inside


def checked(plain: dict[str, Any], spots: Spots) -> Recipe | None:
    """The recipe, or each thing that is wrong with it said where it was chosen."""
    try:
        recipe = recipes.from_plain(plain, source="This")
    except RecipeError as error:
        for line in str(error).splitlines()[1:]:
            spot_of(line, spots, "length").error(line.removeprefix("  - "))
        return None
    data, cards = recipe.data, engine.methods()
    left = round((data.train_images or 0) * (1 - data.validation))
    if left and data.labels != "all" and data.labels > left:
        spots["data"].error(f"{left:,} training images are left after some are held out: keep at most as many labels.")
        return None
    lacking = [
        t.label for t in recipe.terms if not recipe.teacher and t.method in cards and cards[t.method].uses_teacher
    ]
    if lacking:
        spots["terms"].error(
            f"There is no teacher for {' and '.join(lacking)}: choose one above, or leave the term out."
        )
        return None
    try:
        paired = engine.pairings(recipe)
    except UserError as error:
        spots["networks"].error(str(error))
        return None
    for finding in paired:
        box = spots["terms"].error if finding.verdict == "stop" else spots["terms"].warning
        box(finding.finding)
    return None if any(finding.verdict == "stop" for finding in paired) else recipe


def spot_of(message: str, spots: Spots, otherwise: str) -> DeltaGenerator:
    """Where a message belongs, by the first section that it names."""
    words = {"data": "data", "teacher": "networks", "student": "networks", "model": "networks", "weights": "networks",
             "term": "terms", "terms": "terms", "method": "terms", "epochs": "length", "seeds": "length"}  # fmt: skip
    named = next((word for word in re.findall(r"[a-z]+", message.lower()) if word in words), None)
    return spots[words[named] if named else otherwise]


def sum_up(recipe: Recipe | None, spots: Spots) -> None:
    """The loss as a formula, what the doctor says of the teacher, the price, the button."""
    if recipe is None:
        st.markdown("**Not ready to start**")
        st.caption("What is missing is said beside the choice that it belongs to.")
        return
    methods = engine.methods()
    st.markdown("**Total loss of the student**")
    st.latex(formula.latex(recipe.terms, methods))
    st.caption(formula.legend(recipe.terms, methods))
    # the button is there while the teacher is examined and the price measured
    teacher, price, button, further = st.container(), st.container(), st.empty(), st.container()
    if button.button("Start training", type="primary", icon=START, width="stretch", key="start"):
        start(recipe)
    with further:
        waits(busy := engine.runner().active())
        explain(recipe)
    with teacher:
        stopped = teacher_check_card.examine(recipe)
    with price:
        ready = not stopped and cost_of(recipe, bool(busy), spots)
    if not ready:
        button.button("Start training", icon=START, width="stretch", disabled=True, key="cannot-start")


def waits(busy: tuple[str, ...]) -> None:
    if busy:
        st.caption(f"It will wait: {engine.store().state(busy[0]).name} trains now.")
        page_table.go_button("Watch that run", ":material/monitoring:", page_table.TRAIN, run=busy[0])


def explain(recipe: Recipe) -> None:
    """What can be unfolded about the loss: its course over the run, its terms in full, its weights elsewhere."""
    methods = engine.methods()
    with st.expander("The course of the run", icon=":material/show_chart:"):
        schedule_chart.draw(recipe, [name for name, method in methods.items() if method.uses_temperature])
    if defined := formula.definitions(recipe.terms, methods):
        with st.expander("The terms in full", icon=":material/function:"):
            for name, method in defined.items():
                st.markdown(f"**{method.card.title}** · {method.card.paper}")
                st.latex(formula.in_full(name, method.card.formula))
                st.caption(method.card.symbols)
    classes = preflight.data_classes(recipe.data)
    summed = {name for name, method in methods.items() if method.summed_over_classes}
    if classes and (found := weight_conventions.translations(recipe.terms, classes, recipe.epochs, summed=summed)):
        with st.expander("These weights in other people's code", icon=":material/translate:"):
            st.caption(
                "Here a divergence is summed over the classes, averaged over the batch and multiplied by the squared "
                "temperature. For the same gradient another convention needs:"
            )
            several = len({translation.term for translation in found}) > 1
            st.table(
                {
                    (f"{each.term}, " if several else "") + each.convention: f"{each.weight:.4g}" for each in found
                },
                border="horizontal",
            )  # fmt: skip


def cost_of(recipe: Recipe, busy: bool, spots: Spots) -> bool:
    """Say what a run will cost. False where it cannot be tried, so that it could not run either."""
    st.markdown("**What it will cost**")
    if busy and not st.button("Measure it now", help="It slows down the run that trains now for some seconds."):
        return True
    try:
        with st.spinner("Trying a few steps on this device …"):
            show_price(recipe, engine.estimate(recipe))
    except UserError as error:
        st.caption("Nothing that could be measured: see the message beside the choices.")
        spot_of(str(error), spots, "networks").error(str(error))
        return False
    return True


def start(recipe: Recipe) -> None:
    try:
        ids = engine.runner().start(recipe)
    except UserError as error:
        st.error(str(error))
    else:
        st.query_params.from_dict({"run": ids[0]})
        st.rerun()


def show_price(recipe: Recipe, cost: engine.Cost) -> None:
    runs = len(recipe.seeds)
    time = formatting.duration(cost.seconds * runs) + (f" for {runs} runs" if runs > 1 else "")
    where = "the processor" if cost.device == "cpu" else f"the GPU ({cost.device})"
    lines = {
        "Time": f"**about {time}** on {where}",
        "Images": f"{formatting.count(cost.images)} × {recipe.epochs} epochs = {cost.steps:,} steps",
        ":primary[Student]": size(cost.student_parameters, cost.student_flops),
    }
    if cost.teacher_parameters:
        lines[":violet[Teacher]"] = size(cost.teacher_parameters, cost.teacher_flops)
        lines[":violet[Its answers]"] = answers(recipe, cost)
    st.table(lines, border="horizontal")
    for download in cost.downloads:
        st.warning(download, icon=":material/download:")


def size(parameters: int, flops: int) -> str:
    return f"{formatting.count(parameters)} parameters, {formatting.count(flops)} FLOPs an image"


def answers(recipe: Recipe, cost: engine.Cost) -> str:
    """How much of the time the teacher's answers take, and what is saved where they are kept."""
    views, share = recipe.kept_views, f"{formatting.percent(cost.teacher_share, 0)} of the time"
    if not views:
        return f"asked for in every step, {share}"
    if cost.view_bytes is None:
        return "not needed: no term reads them"
    kept = f"kept, {formatting.disk(views * cost.view_bytes)} on disk"
    if views >= recipe.epochs:
        return f"{kept} for other runs; this one asks in every step, {share}"
    return f"{kept}: from epoch {views + 1} on a step takes {formatting.percent(cost.teacher_share, 0)} less time"
