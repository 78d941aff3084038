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
from pages.parts import address, engine, formatting
from pages.parts.roles import role
from pages.parts.server.uploads import file_of
from pages.parts.train import edits

FIRST = "quick"
CHOSEN, OWN, TROUBLE = "preset", "own-recipes", "recipe-trouble"  # in the session's state
LIKE, LED = "like", "led-to"  # in the session's state: the run, and the preset that the address has led to
TRIED = "tried-method"  # in the session's state
EDITED = "Edited recipe"
LOST = (
    "The edited recipe of this address is not kept any more, or is the operator's: edits are kept until the app ends. The "
    "recipe below is shown instead."
)
MOST_RUNS = 8  # as teachers


def choose() -> tuple[Recipe, str]:
    """The recipe to start from, and a key for its widgets, so that another preset resets them."""
    if (
        CHOSEN not in st.session_state or address.restored_by_history()
    ):  # another page was open, or another view of this one
        forget()
    take_run()
    take_method()
    take_draft()
    known = all_presets()
    preset, file = st.columns([5, 2], vertical_alignment="bottom")
    usual = list(known).index(led_to()[0] or FIRST) if FIRST in known else 0
    name = preset.selectbox("Start from", list(known), usual, key=CHOSEN, bind="query-params")
    with file.popover("Upload a recipe", icon=":material/upload_file:", width="stretch", key="upload-recipe"):
        st.file_uploader(
            "Recipe (YAML)", type=["yaml", "yml"], key="recipe-file", on_change=take_file, max_upload_size=1
        )
    show_error("file")
    recipe = with_settings(recipes.from_yaml(known[name]), name)
    return recipe, f"{name}-{hashlib.sha256(recipe.to_full_yaml().encode()).hexdigest()[:8]}{edits.turn()}"


def remember(base: Recipe, edited: Recipe) -> None:
    """The form's edits into the address, so that a reload shows them; not where a reload would refuse them."""
    name = st.session_state[CHOSEN]
    try:
        engine.check_settings(edited)
    except UserError:
        return
    own = name in st.session_state.get(OWN, {}) and (name, True) != led_to()
    edits.remember(recipes.from_yaml(all_presets()[name]), base, edited, own=own)


def with_settings(recipe: Recipe, name: str) -> Recipe:
    """`?set=epochs=3&set=terms.1.temperature=8`: the preset with these settings, as the command line's `--set` takes them; with
    `?draft=NAME` the whole recipe of that draft."""
    form = edits.wanted(name)
    settings = list(form.began.settings)
    if form.began.draft and not form.draft:
        st.warning(LOST, icon=":material/edit_off:")
    try:
        if form.draft:
            changed = recipes.from_yaml(form.draft.text)
        else:
            changed = recipes.with_overrides(recipe, settings, option="set") if settings else recipe
        engine.check_settings(changed)
    except UserError as error:
        st.error(f"The settings of this address are not used: {formatting.message(str(error))}")
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


def take(name: str, text: str | bytes, place: str) -> bool:
    """Make a text the preset, or remember its error for the widget that it came from. Whether it is a recipe."""
    source = "This text" if place == "text" else name
    try:
        plain = recipes.from_yaml(text, source=source).to_yaml()
        engine.check_settings(recipes.from_yaml(plain, source=source))  # indented so it may exceed the size limit
    except UserError as error:
        st.session_state[TROUBLE] = (place, str(error))
        return False
    st.session_state[OWN] = {**st.session_state.get(OWN, {}), name: plain}
    st.session_state[CHOSEN] = name
    return True


def begin_with(name: str, text: str | bytes, place: str) -> None:
    """Make a text the preset, as `take`, in place of what the address led to."""
    if take(name, text, place):
        edits.open_draft(name, st.session_state[OWN][name])


def take_file() -> None:
    if file := file_of("recipe-file"):
        begin_with(plain_name(file.name), file.getvalue(), "file")


def forget() -> None:
    """Let the address lead to a preset again, and to its edits."""
    for name in (LIKE, TRIED):
        st.session_state.pop(name, None)
    edits.forget()


def led_to() -> tuple[str, bool]:
    """The preset that a run, a method or a draft of the address leads to, and whether the address alone leads to all of it.

    Empty where the address has none of them.
    """
    led: tuple[str, bool] = st.session_state.get(LED, ("", False))
    return led if st.query_params.keys() & {"like", "method", edits.DRAFT} else ("", False)


def led_elsewhere() -> bool:
    """Whether the address names an included recipe or a draft, which wins over the run or method that led to the form first."""
    return st.query_params.get(CHOSEN) in library.names(ASSETS / "recipes") or edits.opened() is not None


def take_draft() -> None:
    """`?draft=NAME`: choose the preset of that draft, which a reload has forgotten where it was of the last visit alone."""
    if draft := edits.opened():
        if draft.preset not in all_presets():
            st.session_state[OWN] = {**st.session_state.get(OWN, {}), draft.preset: draft.text}
        st.session_state[CHOSEN] = draft.preset
        st.session_state[LED] = (draft.preset, False)


def take_run() -> None:
    """`?like=RUN`: start from an earlier run's recipe."""
    run_id = st.query_params.get("like")
    if run_id in engine.store().ids() and st.session_state.get(LIKE) != run_id and not led_elsewhere():
        st.session_state[LIKE] = run_id
        try:
            recipe = engine.store().recipe(run_id)
        except RecipeError as error:
            st.session_state[TROUBLE] = ("file", str(error))
            return
        name = f"From run {recipe.name} ({run_id})"
        if take(name, recipe.to_yaml(), "file"):
            st.session_state[LED] = (name, True)


def take_method() -> None:
    """`?method=NAME`: start from a recipe that shows this method."""
    name = st.query_params.get("method")
    if name in engine.methods() and st.session_state.get(TRIED) != name and not led_elsewhere():
        st.session_state[TRIED] = name
        title = f"Example: {engine.methods()[name].card.title}"
        try:
            if take(title, engine.trial(name).to_yaml(), "file"):
                st.session_state[LED] = (title, True)
        except UserError as error:
            st.session_state[TROUBLE] = ("file", str(error))


def edit_as_text(recipe: Recipe, key: str) -> None:
    """The full recipe as YAML, for settings that the form does not show."""
    text = recipe.to_yaml()
    area = f"text-{hashlib.sha256((key + text).encode()).hexdigest()[:8]}"
    with st.expander("Edit the full recipe (YAML)", icon=":material/code:", key="edit-recipe"):
        st.text_area("Recipe", text, key=area, height=320, label_visibility="collapsed")
        st.button("Apply", on_click=lambda: begin_with(EDITED, st.session_state.get(area, text), "text"))
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
