"""All else about a run, one click below its curves and maps: a choice of sections, in the address as `more`."""

from collections.abc import Callable

import streamlit as st

from kdcore.recipe import Recipe
from kdcore.store import ACTIVE, RunState, forking
from pages.parts import engine, formatting
from pages.parts.refresh import refreshing
from pages.parts.roles import role
from pages.parts.runs import (
    actions,
    changes,
    environment,
    exporting,
    forks,
    passed_on,
    terms,
    training_curves,
    what_else,
)

Section = Callable[[RunState, Recipe], None]


def show(run: RunState, recipe: Recipe) -> None:
    """The sections that this run has, and the chosen one. A finished run begins with its result."""
    there = sections(run, recipe)
    chosen = st.segmented_control(
        "More about this run", list(there), default=next(iter(there)) if run.results else None, key="more",
        bind="query-params", label_visibility="collapsed",
    )  # fmt: skip
    if chosen:
        with st.container(key=f"run-{chosen.split()[0].lower()}"):
            there[chosen](run, recipe)


def sections(run: RunState, recipe: Recipe) -> dict[str, Section]:
    """Title -> what draws it."""
    found: dict[str, Section] = {}
    if run.results:
        found["Result"] = result
    if run.steps:
        found |= {"Curves": training_curves.show, "Terms and layers": of_terms}
    if recipe.robustness.sets:
        found["What passes on"] = passes_on
    if len(forking.tree(engine.store().states(), run.id)) > 1:
        found["Family"] = lambda run, recipe: forks.family(run)
    if exporting.available(run):
        found["Export"] = exporting.show
    return found | {"Recipe and log": recipe_and_log}


def result(run: RunState, recipe: Recipe) -> None:
    changes.show(run)
    passed_on.show(run)


def of_terms(run: RunState, recipe: Recipe) -> None:
    refreshing(terms.show, run.status in ACTIVE, terms.SECONDS)(run.id)


def passes_on(run: RunState, recipe: Recipe) -> None:
    what_else.show_curves(recipe, run)


def recipe_and_log(run: RunState, recipe: Recipe) -> None:
    facts = [run.device] if run.device else []
    facts += [f"{name.replace('_', ' ')} {formatting.count(n)} parameters" for name, n in run.parameters.items() if n]
    if run.status in ACTIVE and role.is_operator():
        actions.new_run(run)
    if facts:
        st.caption(formatting.as_text(" · ".join(facts)))
    if words := formatting.setting(recipe, run):
        st.caption(words)
    for note in run.notes:
        mark = "⚠ " if note["level"] == "warning" else ""
        st.markdown(f"{mark}{formatting.when(note['time'])} · {formatting.message(note['text'])}")
    environment.show(run)
    st.code(recipe.to_full_yaml(), language="yaml")
