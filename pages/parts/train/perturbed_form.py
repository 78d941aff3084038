"""The form's choice of perturbed validation images that are measured after every epoch, and what that costs."""

from typing import Any

import streamlit as st
from pydantic import ValidationError

from kdcore.errors import UserError
from kdcore.recipe import DataRecipe
from kdcore.recipe.limits import limits
from kdcore.recipe.recipe import Robustness
from pages.parts import engine, formatting

Plain = dict[str, Any]
MOST = 8  # sets


def choose(plain: Plain, key: str) -> None:
    """Curves on perturbed images: which sets, and of how many images."""
    chosen = plain["robustness"]
    titles = offered(plain["data"]["name"], plain["data"]["image_size"])
    sets, images = st.columns([3, 1])
    picked = sets.multiselect(
        "Curves on perturbed images", list(dict.fromkeys([*titles, *chosen["sets"]])), chosen["sets"],
        format_func=lambda each: titles.get(each, each), max_selections=MOST, accept_new_options=True, placeholder="none",
        key=f"perturbed-{key}",
        help="After every epoch the networks are measured on validation images that are perturbed in these ways: where teacher and "
        "twin differ, the student's curve shows what it inherits. Losses and weights stay the same. Choose sets, or type one "
        "with its strength, such as patch_scramble@7; the page Robustness shows what they look like.",
    )  # fmt: skip
    chosen["sets"] = list(picked)
    if not picked:
        return
    counts = counted(plain["data"])
    least, most = limits(Robustness, "images")
    usual = max(least, min(chosen["images"], counts.get("validation", most)))
    chosen["images"] = images.number_input(
        "Images of each set", least, most, usual, step=50, key=f"perturbed-images-{key}",
        help="Validation images, as many of each class as possible, and the same ones after every epoch.",
    )  # fmt: skip
    if trained := counts.get("train"):
        st.caption(in_words(len(picked), chosen["images"], trained))


def in_words(sets: int, images: int, trained: int) -> str:
    """What the curves cost. trained: images of an epoch. A forward takes about a third of a step, and a step has the teacher's too."""
    share = sets * images / (3 * trained)
    return (
        f"{sets * images:,} further images after every epoch of {trained:,}, without training on them: at most "
        f"{formatting.percent(share, 0 if share > 0.1 else 1)} more time."
    )


@st.cache_data(max_entries=64, show_spinner=False)
def offered(name: str, image_size: int) -> dict[str, str]:
    """The sets that can be made from such images: condition -> title."""
    return engine.perturbed_curves(name, image_size)


def counted(data: Plain) -> dict[str, int]:
    """How many images each split has; empty where the data cannot be read, which its own section reports."""
    try:
        return engine.image_counts(DataRecipe.model_validate(data))
    except (UserError, ValidationError):
        return {}
