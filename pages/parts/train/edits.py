"""The edits of the form in its address: a reload or a link shows the preset with the same changes, Back undoes the last one.

What no address holds (files of this machine, names, a preset of one visit, many edits) is a draft, whose name is in the address.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from kdcore import recipe as recipes
from kdcore.data import datasets
from kdcore.recipe import Recipe
from kdcore.recipe.references import WeightFile, parse
from pages.parts import address
from pages.parts.train import drafts
from pages.parts.train.drafts import Draft

SET = "set"  # in the address, one for each setting, as the command line's --set takes them
DRAFT = "draft"  # in the address; it stands for the whole form, also where there are settings too
MOST = 20
FORM = "form-edits"  # in the session
OF_DATASET = frozenset(
    {"image_size", "train_images", "test_images", "labels", "only"}
)  # of a recipe's data; another dataset has others
PRIVATE = ("data.path", "name", "note")  # never in an address


@dataclass(frozen=True)
class Written:
    """What an address has of the edits. settings: as `SET` has them. draft: its name; mostly empty."""

    settings: tuple[str, ...] = ()
    draft: str = ""


@dataclass(frozen=True)
class Begun:
    """A form as it began.

    began: what the address had then; written: what it has since; turn: how often a form began.
    """

    preset: str = ""
    began: Written = Written()
    draft: Draft | None = None
    written: Written = Written()
    turn: int = 0


def wanted(preset: str) -> Begun:
    """What the form of this preset begins with. Its own edits do not make it begin anew; Back and Forward do."""
    found, known = _in_address(), _begun()
    if found != known.written or not known.preset:
        turn = known.turn + bool(known.preset)
        st.session_state[FORM] = Begun(preset, found, drafts.find(found.draft), found, turn)
    elif preset != known.preset:  # what was edited belonged to the other one
        st.session_state[FORM] = Begun(preset, written=known.written, turn=known.turn)
    return _begun()


def forget() -> None:
    """The form is drawn anew: it begins with what the address has."""
    st.session_state[FORM] = replace(_begun(), preset="", turn=_begun().turn + bool(_begun().preset))


def opened() -> Draft | None:
    """The draft of an address that this form does not show yet."""
    found, known = _in_address(), _begun()
    return drafts.find(found.draft) if found != known.written or not known.preset else None


def open_draft(preset: str, text: str) -> None:
    """Let the form begin anew with this recipe."""
    address.put({SET: "", DRAFT: drafts.keep(preset, text)})


def _in_address() -> Written:
    return Written(tuple(st.query_params.get_all(SET)[:MOST]), st.query_params.get(DRAFT, ""))


def turn() -> str:
    """For the keys of widgets: the form's number, after the first one."""
    return f"-{_begun().turn}" if _begun().turn else ""


def remember(recipe: Recipe, base: Recipe, edited: Recipe, *, own: bool) -> None:
    """Write what the form differs in.

    Args:
        recipe, base: the preset, without and with what its form began with.
        own: the preset is of this visit alone, so that no settings lead to the recipe.
    """
    known = _begun()
    if _same(base, edited) and (known.draft or not own):
        new = known.began
    else:
        settings = () if own else tuple(shareable(recipe, edited))
        whole = not own and set(settings) == {
            each for each in recipes.overrides(recipe, edited) if not each.startswith("note")
        }
        new = Written(settings, "" if whole else drafts.keep(known.preset, edited.to_yaml()))
    if new != known.written:
        st.session_state[FORM] = replace(known, written=new)
        address.put({SET: new.settings, DRAFT: new.draft})


def _begun() -> Begun:
    begun: Begun = st.session_state.get(FORM, Begun())
    return begun


def shareable(recipe: Recipe, edited: Recipe) -> list[str]:
    """The settings that were edited, without files and folders of this machine."""
    found = [each for each in recipes.overrides(recipe, _without_files(recipe, edited)) if not each.startswith(PRIVATE)]
    return found if len(found) <= MOST and all(len(each) <= address.LONGEST for each in found) else []


def _same(one: Recipe, other: Recipe) -> bool:
    return one.model_dump(exclude={"note"}) == other.model_dump(exclude={"note"})


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
