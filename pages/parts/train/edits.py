"""The edits of the form in its address: a shared link shows the preset with the same changes, Back undoes the last one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from kdcore import recipe as recipes
from kdcore.data import datasets
from kdcore.recipe import Recipe
from kdcore.recipe.references import WeightFile, parse
from pages.parts import address

SET = "set"  # in the address, one for each setting, as the command line's --set takes them
MOST = 20
FORM = "form-edits"  # in the session
OF_DATASET = frozenset(
    {"image_size", "train_images", "test_images", "labels", "only"}
)  # of a recipe's data; another dataset has others
PRIVATE = ("data.path", "name", "note")  # never in an address


@dataclass(frozen=True)
class Begun:
    """A form as it began. settings: those of the address; written: those that stand there since; turn: how often a form began."""

    preset: str = ""
    settings: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    turn: int = 0


def wanted(preset: str) -> list[str]:
    """The settings that the form of this preset begins with. Its own edits do not make it begin anew; Back and Forward do."""
    found, known = tuple(st.query_params.get_all(SET)[:MOST]), _begun()
    if found != known.written or not known.preset:
        st.session_state[FORM] = Begun(preset, found, found, known.turn + bool(known.preset))
    elif preset != known.preset:  # what was edited belonged to the other one
        st.session_state[FORM] = Begun(preset, (), known.written, known.turn)
    return list(_begun().settings)


def turn() -> str:
    """For the keys of widgets: the form's number, after the first one."""
    return f"-{_begun().turn}" if _begun().turn else ""


def remember(recipe: Recipe, base: Recipe, edited: Recipe) -> None:
    """Write what the form differs in. Nothing where that is too much for an address, which then shows the preset.

    Args:
        recipe, base: the preset, without and with the settings that its form began with.
    """
    known = _begun()
    new = known.settings if _same(base, edited) else tuple(shareable(recipe, edited))
    if new != known.written:
        st.session_state[FORM] = replace(known, written=new)
        address.put({SET: new})


def _begun() -> Begun:
    begun: Begun = st.session_state.get(FORM, Begun())
    return begun


def shareable(recipe: Recipe, edited: Recipe) -> list[str]:
    """The settings that were edited, without files and folders of this machine."""
    found = [each for each in recipes.overrides(recipe, _without_files(recipe, edited)) if not each.startswith(PRIVATE)]
    return found if len(found) <= MOST and all(len(each) <= address.LONGEST for each in found) else []


def _same(one: Recipe, other: Recipe) -> bool:
    own = set(PRIVATE) - {"data.path"}
    return one.model_dump(exclude=own) == other.model_dump(exclude=own)


def _without_files(recipe: Recipe, edited: Recipe) -> Recipe:
    """The preset's networks in place of those from a file of this machine, and its dataset in place of a folder of it."""
    if edited.data.path != recipe.data.path:
        own = {"name", *OF_DATASET}.union(*(datasets.get(each.data.name).own_keys for each in (recipe, edited)))
        data = edited.data.model_copy(update={key: getattr(recipe.data, key) for key in own})
        edited = edited.model_copy(update={"data": data})
    teacher, student = edited.teacher, edited.student
    if teacher and _is_file(teacher.weights):
        edited = edited.model_copy(update={"teacher": recipe.teacher})
    if student.weights and _is_file(student.weights):
        edited = edited.model_copy(update={"student": recipe.student})
    return edited


def _is_file(reference: str) -> bool:
    return isinstance(parse(reference), WeightFile)
