"""The controls that an address may hide, page by page: the keys of their widgets, and their parts of components."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Control:
    """keys: of widgets or containers; one that ends in `*` is the beginning of several keys.

    parts: of components. Their styles have `display: var(--hide-PART, ...)`, which reaches into a component.
    """

    title: str
    keys: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


Controls = Mapping[str, Control]  # name in the address -> control

TRAIN: Controls = {
    "preset": Control("Start from", ("preset", "upload-recipe")),
    "data": Control("Data", ("section-data",)),
    "networks": Control("Networks", ("section-networks",)),
    "weights": Control("Loss terms", ("section-terms",)),
    "training": Control("Training", ("section-length",)),
    "yaml": Control("Edit the full recipe", ("edit-recipe",)),
    "start": Control("Start training", ("start", "cannot-start")),
}
RUN: Controls = {
    "buttons": Control("Buttons of the run", ("run-buttons",)),
    "adjust": Control("Adjust while training", ("adjust-run",), ("settings",)),
    "more": Control("Sections below", ("more",)),
}
ATTENTION: Controls = {
    "source": Control("Photo or live camera", ("source",)),
    "upload": Control("Own photos", ("own-photos",)),
    "photos": Control("All photos", ("photo_strip",)),
    "networks": Control("Networks", ("networks", "models")),
    "map": Control("Map", ("method", "live-map")),
    "class": Control("Explained class", ("class",)),
    "layer": Control("Layer and head", ("layer", "head")),
    "crop": Control("Crop", ("crop-open",)),
    "change": Control("Change the photo", parts=("pokes",)),
    "point": Control("What pointing does", parts=("points",)),
    "view": Control("Side by side or swipe", parts=("views",)),
    "display": Control("Opacity, colours and zoom", parts=("display",)),
    "more": Control("Sections below", ("deeper",)),
}
METHODS: Controls = {
    "search": Control("Search and filters", ("method-search", "method-kinds", "method-pair")),
    "back": Control("All methods", ("all-methods",)),
    "try": Control("Try it", ("try-method",)),
    "networks": Control("Networks", ("method-networks",)),
    "temperature": Control("Temperature", ("method-temperature",)),
    "images": Control("Images", ("photo_strip",)),
    "diagonal": Control("Diagonal of the class similarity", ("method-diagonal",)),
}
ROBUSTNESS: Controls = {
    "networks": Control("Networks", ("networks", "models")),
    "evaluate": Control("Evaluations", ("evaluate-*", "stop-evaluation")),
    "measure": Control("Measure", ("measure",)),
    "set": Control("Test set", ("set",)),
    "strength": Control("Strength", ("strength",)),
    "show": Control("Sections below", ("show",)),
}
PAGES: Mapping[str, Controls] = {
    "train": TRAIN, "run": RUN, "attention": ATTENTION, "methods": METHODS, "robustness": ROBUSTNESS,
}  # fmt: skip


def selector(key: str) -> str:
    """The CSS selector of what has this key, as Streamlit writes keys into classes, and of a column with nothing else in it."""
    named = f'[class*="st-key-{key[:-1]}"]' if key.endswith("*") else f".st-key-{key}"
    return f"{named}, .stColumn:has(> .stVerticalBlock > :only-child > {named})"


def style(controls: Controls, hidden: list[str]) -> str:
    """The style that hides them, for eyes and for screen readers."""
    keys = [selector(key) for name in hidden for key in controls[name].keys]
    parts = [f"--hide-{part}: none;" for name in hidden for part in controls[name].parts]
    rules = [f"{', '.join(keys)} {{ display: none !important; }}"] if keys else []
    return "\n".join([*rules, *([f":root {{ {' '.join(parts)} }}"] if parts else [])])
