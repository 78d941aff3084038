"""Recipes that the form starts from: included ones, an uploaded file, an earlier run's, or edited YAML."""

import hashlib
from typing import Any

import streamlit as st

from kdcore import recipe as recipes
from kdcore.errors import UserError
from kdcore.paths import ASSETS
from kdcore.photos.decoding import plain_name
from kdcore.recipe import Recipe, RecipeError, library
from kdcore.recipe.references import RunNetwork
from kdcore.store import Store
from pages.parts import engine, formatting
from pages.parts.roles import role
from pages.parts.server.uploads import file_of
from pages.parts.train import edits

FIRST = "quick"
CHOSEN, OWN, TROUBLE = "preset", "own-recipes", "recipe-trouble"  # in the session's state
TRIED = "tried-method"  # in the session's state; the Methods page removes it
EDITED = "Edited recipe"
MOST_RUNS = 8  # as teachers


def choose() -> tuple[Recipe, str]:
    """The recipe to start from, and a key for its widgets, so that another preset resets them."""
    take_run()
    take_method()
    known = all_presets()
    preset, file = st.columns([5, 2], vertical_alignment="bottom")
    name = preset.selectbox("Start from", list(known), key=CHOSEN, bind="query-params")
    with file.popover("Upload a recipe", icon=":material/upload_file:", width="stretch", key="upload-recipe"):
        st.file_uploader(
            "Recipe (YAML)", type=["yaml", "yml"], key="recipe-file", on_change=take_file, max_upload_size=1
        )
    show_error("file")
    recipe = with_settings(recipes.from_yaml(known[name]), name)
    return recipe, f"{name}-{hashlib.sha256(recipe.to_full_yaml().encode()).hexdigest()[:8]}{edits.turn()}"


def remember(base: Recipe, edited: Recipe) -> None:
    """The form's edits into the address, unless the preset is of this visit alone, so that no link can show it."""
    name = st.session_state[CHOSEN]
    if name not in st.session_state.get(OWN, {}) or st.query_params.keys() & {"like", "method"}:
        edits.remember(recipes.from_yaml(all_presets()[name]), base, edited)


def with_settings(recipe: Recipe, name: str) -> Recipe:
    """`?set=epochs=3&set=terms.1.temperature=8`: the preset with these settings, as the command line's `--set` takes them."""
    wanted = edits.wanted(name)
    try:
        changed = recipes.with_overrides(recipe, wanted, option="set") if wanted else recipe
        engine.check_settings(changed.data)
    except UserError as error:
        st.error(f"The settings of this address are not used. {formatting.message(str(error))}")
        return recipe
    return changed


def with_note(base: Recipe, recipe: Recipe | None) -> Recipe | None:
    """The recipe of the form, whose note is shown while the form differs from how it began in nothing that the note may speak of."""
    recipe = recipe and recipes.with_fitting_note(base, recipe)
    if recipe and recipe.note:
        st.caption(formatting.message(recipe.note))
    return recipe


def all_presets() -> dict[str, str]:
    """Name -> YAML: the quick recipe first, the visitor's own last."""
    folder = ASSETS / "recipes"
    known = sorted(library.names(folder), key=lambda name: name != FIRST)
    texts = {name: (folder / f"{name}.yaml").read_text(encoding="utf-8") for name in known}
    return texts | st.session_state.get(OWN, {})


def take(name: str, text: str | bytes, place: str) -> None:
    """Make a text the preset, or remember its error for the widget that it came from."""
    source = "This text" if place == "text" else name
    try:
        plain = recipes.from_yaml(text, source=source).to_yaml()
        engine.check_settings(recipes.from_yaml(plain, source=source).data)  # indented so it may exceed the size limit
    except UserError as error:
        st.session_state[TROUBLE] = (place, str(error))
    else:
        st.session_state[OWN] = {**st.session_state.get(OWN, {}), name: plain}
        st.session_state[CHOSEN] = name


def take_file() -> None:
    if file := file_of("recipe-file"):
        take(plain_name(file.name), file.getvalue(), "file")


def take_run() -> None:
    """`?like=RUN`: start from an earlier run's recipe."""
    run_id = st.query_params.get("like")
    if run_id in engine.store().ids() and st.session_state.get("like") != run_id:
        st.session_state["like"] = run_id
        try:
            recipe = engine.store().recipe(run_id)
        except RecipeError as error:
            st.session_state[TROUBLE] = ("file", str(error))
            return
        take(f"From run {recipe.name} ({run_id})", recipe.to_yaml(), "file")


def take_method() -> None:
    """`?method=NAME`: start from a recipe that shows this method."""
    name = st.query_params.get("method")
    if name in engine.methods() and st.session_state.get(TRIED) != name:
        st.session_state[TRIED] = name
        title = engine.methods()[name].card.title
        try:
            take(f"Example: {title}", engine.trial(name).to_yaml(), "file")
        except UserError as error:
            st.session_state[TROUBLE] = ("file", str(error))


def edit_as_text(recipe: Recipe, key: str) -> None:
    """The full recipe as YAML, for settings that the form does not show."""
    text = recipe.to_yaml()
    area = f"text-{hashlib.sha256((key + text).encode()).hexdigest()[:8]}"
    with st.expander("Edit the full recipe (YAML)", icon=":material/code:", key="edit-recipe"):
        st.text_area("Recipe", text, key=area, height=320, label_visibility="collapsed")
        st.button("Apply", on_click=lambda: take(EDITED, st.session_state.get(area, text), "text"))
        show_error("text")


def show_error(place: str) -> None:
    if st.session_state.get(TROUBLE, ("", ""))[0] == place:
        st.error(formatting.message(st.session_state.pop(TROUBLE)[1]))


def teachers(own: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Title -> teacher as in a recipe: the preset's, the bundled models, students of earlier runs."""
    known = {title_of(own): own} if own else {}
    for name in engine.bundled():
        known.setdefault(name, {"weights": name})
    for reference in imported():
        known.setdefault(reference, {"weights": reference})
    for title, reference in trained(engine.store()).items():
        known.setdefault(title, {"weights": reference})
    return known


def imported() -> list[str]:
    """The references of imported weights; none for a visitor, who cannot start a run with them."""
    return [each.reference for each in engine.imported_weights()] if role.is_operator() else []


def trained(store: Store) -> dict[str, str]:
    finished = [run for run in store.states() if run.status == "finished" and not (run.recorded or run.damage)]
    return {f"Student of {run.name} ({run.id[:15]})": str(RunNetwork(run.id)) for run in finished[:MOST_RUNS]}


def title_of(teacher: dict[str, Any]) -> str:
    """`cues-teacher`, `vit_tiny_patch16_224, pretrained, fine-tuned first (3 epochs)`."""
    weights = {"none": "random", "pretrained": "pretrained"}.get(teacher["weights"])
    title = f"{teacher['model']}, {weights}" if weights else str(teacher["weights"])
    if tuning := teacher.get("finetune"):
        title += f", fine-tuned first ({tuning['epochs']} epoch{'s' * (tuning['epochs'] != 1)})"
    title += ", classes mapped" if teacher.get("map_classes") else ""
    return title + (", accepted as is" if teacher.get("accept") else "")
