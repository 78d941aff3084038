"""The form that makes a recipe: a preset, and what of it is to be different. Says what it will cost before it starts."""

import re
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from kdcore import recipe as recipes
from kdcore.recipe import Recipe, RecipeError
from pages.parts import engine, formatting, formula, page_table, presets
from pages.parts.choices import choose_data, choose_length, choose_networks, choose_terms

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
        with section("Networks", "networks", spots):
            choose_networks(plain, key)
        with section("What the student learns from", "terms", spots):
            plain["terms"] = choose_terms(plain["terms"], key)
        with section("Length", "length", spots):
            choose_length(plain, key)
        recipe = checked(plain, spots)
        presets.edit_as_text(recipe or base, key)
    with summary, st.container(border=True):
        sum_up(recipe, base)


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
        for line in str(error).splitlines()[1:] or [str(error)]:
            line = line.removeprefix("  - ")
            key = (re.match(r"`?(\w+)", line) or [""])[1]
            place = {"data": "data", "teacher": "networks", "student": "networks", "terms": "terms"}.get(key, "length")
            spots[place].error(line)
        return None
    if trouble := engine.refused(recipe):
        spots["networks"].error(trouble)
        return None
    lacking = [t.label for t in recipe.terms if not recipe.teacher and engine.methods()[t.method].uses_teacher]
    if lacking:
        spots["terms"].error(f"There is no teacher for {' and '.join(lacking)}: choose one above, or leave the term out.")
        return None
    return recipe


def sum_up(recipe: Recipe | None, base: Recipe) -> None:
    """The loss as a formula, the price, the button."""
    if recipe is None:
        st.markdown("**Not ready to start**")
        st.caption("What is missing is said beside the choice that it belongs to.")
        return
    st.markdown("**Total loss of the student**")
    cards = engine.methods()
    st.latex(formula.latex(recipe.terms, {t.label: t.temperature for t in recipe.terms if cards[t.method].uses_temperature}))
    price = st.container()
    if st.button("Start training", type="primary", icon=":material/play_arrow:", width="stretch", key="start"):
        start(recipe)
    if busy := engine.runner().active():
        st.caption(f"It will wait: {engine.store().state(busy[0]).name} trains now.")
        st.page_link(page_table.TRAIN, label="Watch that run", icon=":material/monitoring:", query_params={"run": busy[0]})
    with price:
        show_price(recipe, measure=not busy)


def start(recipe: Recipe) -> None:
    try:
        ids = engine.runner().start(recipe)
    except ValueError as error:
        st.error(str(error))
    else:
        st.query_params["run"] = ids[0]
        st.rerun()


def show_price(recipe: Recipe, *, measure: bool) -> None:
    st.markdown("**What it will cost**")
    if not measure and not st.button("Measure it now", help="It slows down the run that trains now for some seconds."):
        return
    try:
        with st.spinner("Trying a few steps on this device …"):
            cost = engine.estimate(recipe)
    except ValueError as error:
        st.error(str(error))
        return
    runs = len(recipe.seeds)
    time = formatting.duration(cost.seconds * runs) + (f" for {runs} runs" if runs > 1 else "")
    lines = [
        ("Time", f"**about {time}** on {'the processor' if cost.device == 'cpu' else f'the GPU ({cost.device})'}"),
        ("Images", f"{formatting.count(cost.images)} × {recipe.epochs} epochs = {cost.steps:,} steps"),
        (":primary[Student]", f"{formatting.count(cost.student_parameters)} parameters, {formatting.count(cost.student_flops)} FLOPs an image"),
    ]
    if cost.teacher_parameters:
        price = f"{formatting.count(cost.teacher_parameters)} parameters, {formatting.count(cost.teacher_flops)} FLOPs an image"
        lines.append((":violet[Teacher]", price))
    st.table(dict(lines), border="horizontal", width="stretch")
