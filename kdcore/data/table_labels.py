"""Labels in tables: the column that holds them, and the class of each row, the same in every split."""

import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np

from kdcore.data.folders import names
from kdcore.errors import UserError, clipped, shortened, visible
from kdcore.recipe.weight_header import LONGEST_CLASS

LABELS = ("label", "labels", "fine_label", "class", "target", "cls")
_WHOLE, _WORDS = ("int", "uint"), ("string", "large_string", "string_view")

Label = int | str


def columns(package: Any, features: Mapping[str, Any], folder: str) -> tuple[str, str, tuple[str, ...]]:
    """The image column and the label column, and a sentence for each further column that may have been meant. Raises UserError."""
    images = [name for name, kind in features.items() if isinstance(kind, package.Image)]
    labels = [name for name, kind in features.items() if isinstance(kind, package.ClassLabel)]
    others = [name for name in LABELS if name in features and name not in images]
    label = next((name for name in LABELS if name in labels), next(iter([*labels, *others]), None))
    if not images or label is None:
        needed = "column of type Image" if not images else f"column of type ClassLabel, or named {', '.join(LABELS)}"
        shown = ", ".join(f"{name} ({type(kind).__name__})" for name, kind in features.items())
        raise UserError(f"The dataset in {names.text(folder)} has no {needed}. Its columns: {clipped(shown)}.")
    return images[0], label, (*_others("Images", images, images[0]), *_others("Labels", labels, label))


def _others(what: str, found: list[str], used: str) -> list[str]:
    if left := [name for name in found if name != used]:
        return [f"{what} are those of the column {used!r}; not read: {clipped(', '.join(map(repr, left)))}."]
    return []


def read(package: Any, rows: Any, label: str, folder: str, split: str) -> list[Any]:
    """The labels of a split: whole numbers, or words without spaces around them; None where there is none. Raises UserError."""
    if label not in rows.features:
        raise UserError(
            f"The splits of the dataset in {names.text(folder)} have different columns: one has no {label!r}."
        )
    kind = rows.features[label]
    dtype = str(kind.dtype) if isinstance(kind, package.Value | package.ClassLabel) else ""
    if not dtype.startswith(_WHOLE) and dtype not in _WORDS:
        raise UserError(
            f"The column {label!r} of the {split} images in {names.text(folder)} is of type {clipped(str(kind), 80)}; a label is a "
            "ClassLabel, a whole number from 0, or a word. Convert it with `cast_column` or `map`, and save the dataset again."
        )
    found = list(rows.select_columns([label]).with_format(None)[:][label])
    return [_word(each) if isinstance(each, str) else each for each in found]


def _word(text: str) -> str | None:
    return unicodedata.normalize("NFC", visible(text)).strip() or None


def numbered(
    kinds: Mapping[str, Any], written: Mapping[str, list[Any]], folder: str
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """The classes that training images have, and the number of each image's class among them, -1 without one.

    Args:
        kinds: the type of the label column in each split: where it has names of its own, labels of different splits are the same
            class where their names are.

    Raises:
        UserError: fewer than two classes, or a class that no training image has.
    """
    known = _names(kinds["train"])
    labels = {pool: _as_in_training(each, _names(kinds[pool]), known) for pool, each in written.items()}
    trained = {each for each in labels["train"] if _is_label(each)}
    ordered = sorted(trained, key=lambda each: (isinstance(each, str), each))
    shown = [_name(each, known) for each in ordered]
    _check_names(shown, labels["train"], folder)
    classes = tuple(dict.fromkeys(shown))
    place_of = {name: place for place, name in enumerate(classes)}
    places = {each: place_of[name] for each, name in zip(ordered, shown, strict=True)}
    for pool, each in labels.items():
        _check_split(pool, each, places, known, folder)
    return classes, {
        pool: np.array([places.get(each, -1) for each in found], np.int64) for pool, found in labels.items()
    }


def _names(kind: Any) -> list[str] | None:
    return getattr(kind, "names", None)


def _as_in_training(labels: list[Any], own: list[str] | None, known: list[str] | None) -> list[Any]:
    """A split's labels as numbers of the training images' names; a name that those do not have stays a word."""
    if own is None or known is None or own == known:
        return labels
    places = {_name(place, known): place for place in reversed(range(len(known)))}
    here = [_name(place, own) for place in range(len(own))]
    return [
        places.get(here[each], here[each]) if isinstance(each, int) and 0 <= each < len(here) else each
        for each in labels
    ]


def _check_names(shown: list[str], labels: list[Any], folder: str) -> None:
    where = names.text(folder)
    if len(set(shown)) < 2:
        none = sum(not _is_label(each) for each in labels)
        left = f" {none:,} of {len(labels):,} images have no label: it is empty, or a negative number." if none else ""
        few = f"a single class, {shown[0]!r}" if shown else "no class"
        raise UserError(f"The training images in {where} have {few}; at least two are needed.{left}")
    if long := next((name for name in shown if len(name) > LONGEST_CLASS), None):
        raise UserError(
            f"The training images in {where} have a class with a name of {len(long):,} characters, {clipped(long, 60)!r}; "
            f"{LONGEST_CLASS} are the most. Choose a column of short labels, and save the dataset again."
        )


def _check_split(
    pool: str, labels: list[Any], places: Mapping[Label, int], known: list[str] | None, folder: str
) -> None:
    """Refuse a split with a class that no training image has, or without any image of a class."""
    found = {each for each in labels if _is_label(each)}
    if strange := found - places.keys():
        one = shortened(_name(min(strange, key=str), known))
        raise UserError(f"The {pool} images in {names.text(folder)} have the class {one}, which no training image has.")
    if not found:
        raise UserError(
            f"The {pool} images in {names.text(folder)} have no label. Add labels, or save the dataset without this split: then "
            f"{pool} images are taken from the training images."
        )


def _name(label: Label, known: list[str] | None) -> str:
    """The name of a label, where the column has one for it, in one Unicode form and without what acts on a terminal."""
    text = known[label] if known and isinstance(label, int) and label < len(known) else label
    return unicodedata.normalize("NFC", visible(str(text))).strip() or str(label)


def _is_label(each: Any) -> bool:
    return isinstance(each, str) or (isinstance(each, int) and not isinstance(each, bool) and each >= 0)
