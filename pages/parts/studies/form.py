"""Start a study: an included one, or a sweep over one or two settings of any recipe."""

from typing import Any

import streamlit as st

from kdcore import recipe as recipes
from kdcore.errors import UserError, shortened
from kdcore.recipe import Recipe, RecipeError, yaml_text
from kdcore.recipe import study as studies
from kdcore.recipe.study import Study
from pages.parts import buttons, engine, formatting
from pages.parts.roles import control, role
from pages.parts.train import presets, sections

NOTHING = "None"
TITLES = {
    "optimizer.lr": "learning rate",
    "optimizer.name": "optimizer",
    "data.labels": "labelled images",
    "data.label_noise": "wrong labels, fraction",
    "data.train_images": "training images",
    "student.model": "student",
}
START = ":material/play_arrow:"


def ready_made() -> None:
    """An included study: its question, its cost, a button."""
    name = st.selectbox(
        "Study", studies.names(), index=None, key="ready-made", bind="query-params", placeholder="Choose one"
    )
    if name is None:
        st.caption(
            f"{len(studies.names())} studies come with the project, among them those of the reproduced projects."
        )
        return
    try:
        study = studies.named(name)
        variants = studies.variants(study)
    except RecipeError as error:
        st.error(formatting.message(str(error)))
        return
    st.markdown(study.note)
    st.caption(f"Variants: {formatting.as_text('; '.join(variants))}.")
    if not role.is_operator():
        control.only_the_operator("start studies")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if buttons.pressed("Start study", key=f"study-{name}", icon=START, type="primary"):
            start(study)
        priced = st.button("Estimate cost", icon=":material/timer:", key="ready-price")
        st.caption(size(len(variants), len(study.seeds)), width="content")
    if priced:
        show_cost(studies.recipe_of(study), study.count)


def own_sweep() -> None:
    """Choose a recipe, settings with their values, and seeds; see the number of runs; start."""
    if not role.is_operator():
        control.only_the_operator("start sweeps")
        return
    presets.forget()  # Train may have used the run's recipe before
    presets.take_run()
    known, like = presets.all_presets(), st.session_state.pop(presets.CHOSEN, None)
    name = st.selectbox("Recipe", list(known), list(known).index(like) if like in known else 0, key=f"sweep-{like}")
    recipe = recipes.from_yaml(known[name])
    if recipe.note:
        st.caption(formatting.message(recipe.note))
    vary = dict(filter(None, [choose_setting(recipe, 1, name), choose_setting(recipe, 2, name)]))
    typed = st.text_input(
        "Seeds", "0, 1, 2", key="sweep-seeds", help="At least three, to measure the variation between seeds."
    )
    seeds = sections.seeds_in(typed)
    if not vary:
        st.caption("Choose a setting and at least two values, or none to measure the variation between seeds alone.")
    title = f"{recipe.name}: {', '.join(studies.called(key, recipe) for key in vary) or 'seeds'}"[:60]
    plain = {
        "name": title,
        "recipe": recipe.model_dump(mode="json", exclude_defaults=True),
        "vary": vary,
        "seeds": seeds,
    }
    try:
        study = studies.from_plain(plain, source="This study")
        points = studies.points(study)
    except RecipeError as error:
        st.error(formatting.message(str(error)))
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if buttons.pressed("Start study", key="sweep-start", icon=START, type="primary"):
            start(study)
        priced = st.button("Estimate cost", icon=":material/timer:", key="sweep-price")
        st.caption(size(len(points) // len(study.seeds), len(study.seeds)), width="content")
    if priced:
        show_cost(recipe, len(points))


def choose_setting(recipe: Recipe, place: int, name: str) -> tuple[str, list[Any]] | None:
    """A setting and its values, or None."""
    left, right = st.columns([1, 1], vertical_alignment="bottom")
    known = settings(recipe)
    label = "Setting" if place == 1 else "Second setting"
    key = left.selectbox(
        label, [NOTHING, *known], index=1 if place == 1 else 0, key=f"sweep-key-{place}-{name}", accept_new_options=True,
        format_func=lambda setting: titled(setting, recipe) if setting in known else setting,
        help="Choose one, or type any setting of the recipe by its dotted name, such as `optimizer.weight_decay` or "
        "`terms.1.from_epoch` (terms are counted from 0).",
    )  # fmt: skip
    if not key or key == NOTHING:
        return None
    key = next((full for full in known if full.endswith(f".{key}")), key)  # typed without its section
    now = known.get(key)
    given = right.text_input(
        "Values" if place == 1 else "Its values", starting_values(now), key=f"sweep-values-{place}-{name}-{key}",
        help=f"Separated by commas. The recipe has {formatting.as_text(str(now))}." if key in known else "Separated by commas.",
    )  # fmt: skip
    try:
        values = yaml_text.read(f"[{given}]", source="This")
    except RecipeError:
        st.error(f"{formatting.as_text(shortened(given))} are not values separated by commas, for example 1, 2, 4.")
        return None
    return (key, values) if values else None


def titled(setting: str, recipe: Recipe) -> str:
    """`kd: temperature` for `terms.1.temperature`."""
    section, _, rest = setting.partition(".")
    if section == "terms":
        place, _, name = rest.partition(".")
        return f"{recipe.terms[int(place)].label}: {name}"
    return TITLES.get(setting, setting)


def settings(recipe: Recipe) -> dict[str, Any]:
    """The settings that are often varied, with the recipe's values."""
    plain = recipe.model_dump(mode="json")
    found: dict[str, Any] = {}
    methods = engine.methods()
    for place, term in enumerate(plain["terms"]):
        if term["method"] in methods and methods[term["method"]].uses_temperature:
            found[f"terms.{place}.temperature"] = term["temperature"]
    found |= {f"terms.{place}.weight": term["weight"] for place, term in enumerate(plain["terms"])}
    found["optimizer.lr"] = plain["optimizer"]["lr"]
    found["optimizer.name"] = plain["optimizer"]["name"]
    found["data.labels"] = plain["data"]["labels"]
    found["data.label_noise"] = plain["data"]["label_noise"]
    found["data.train_images"] = plain["data"]["train_images"]
    found["epochs"] = plain["epochs"]
    found["student.model"] = plain["student"]["model"]
    return found


def starting_values(now: Any) -> str:
    """Half, the same and twice a number; else the value alone."""
    if isinstance(now, (int, float)) and now:
        return ", ".join(f"{type(now)(value):g}" for value in (now / 2, now, now * 2))
    return "" if now is None else str(now)


def size(variants: int, seeds: int) -> str:
    return f"{variants} variant{'s' * (variants > 1)} × {seeds} seed{'s' * (seeds > 1)} = {variants * seeds} runs"


def show_cost(recipe: Recipe, runs: int) -> None:
    try:
        with st.spinner("Timing a few steps on this device …"):
            cost = engine.estimate(recipe)
    except UserError as error:
        st.error(formatting.message(str(error)))
        return
    st.caption(
        f"About {formatting.duration(cost.seconds * runs)} for {runs} runs of "
        f"{formatting.duration(cost.seconds)} each, timed with the recipe's own values; the varied values may change "
        "this."
    )


def start(study: Study) -> None:
    try:
        with st.spinner("Checking every variant …"):
            study_id = engine.runner().start_study(study)
    except UserError as error:
        st.error(formatting.message(str(error)))
    else:
        st.query_params.from_dict({"study": study_id})
        st.rerun()
