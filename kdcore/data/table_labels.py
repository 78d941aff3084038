"""Labels in tables: the column that holds them, and the class of each row, the same in every split."""

import unicodedata
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from kdcore.data.folders import names
from kdcore.errors import UserError, blank, clipped, shortened, visible
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
    """A word in one Unicode form and without what acts on a terminal; None where nothing of it would be seen."""
    found = unicodedata.normalize("NFC", visible(text)).strip()
    return None if blank(found) else found


def numbered(
    kinds: Mapping[str, Any], written: Mapping[str, list[Any]], folder: str
) -> tuple[tuple[str, ...], dict[str, np.ndarray], tuple[str, ...]]:
    """The classes that training images have, the number of each image's class among them, -1 without one, and sentences on names.

    Labels of different splits are the same class where their names are, whether these are words or names of a ClassLabel. Whole
    numbers beside a ClassLabel are its numbers; beside words they are read as words.

    Args:
        kinds: the type of the label column in each split.

    Raises:
        UserError: fewer than two classes, a class that no training image has, or labels whose names cannot be told apart.
    """
    names_of: dict[str, dict[Label, str]] = {}
    notes: list[str] = []
    for pool, labels in written.items():
        known = _known(pool, kinds, folder)
        names_of[pool] = {each: _name(each, known) for each in _sorted(labels)}
        notes += _same_name(names_of[pool], known, pool, folder)
    _check_names(list(names_of["train"].values()), written["train"], folder, notes)
    classes = tuple(dict.fromkeys(names_of["train"].values()))
    for pool, found in names_of.items():
        _check_split(pool, found.values(), classes, kinds, folder)
    place_of = {name: place for place, name in enumerate(classes)}
    numbers = {}
    for pool, labels in written.items():
        places = {each: place_of[name] for each, name in names_of[pool].items()}
        numbers[pool] = np.array([places.get(each, -1) for each in labels], np.int64)
    return classes, numbers, tuple(dict.fromkeys(notes))


def _sorted(labels: list[Any]) -> list[Label]:
    return sorted({each for each in labels if _is_label(each)}, key=lambda each: (isinstance(each, str), each))


def _names(kind: Any) -> list[str] | None:
    return getattr(kind, "names", None)


def _known(pool: str, kinds: Mapping[str, Any], folder: str) -> list[str] | None:
    """The names of the numbers in a split: its own, or those of the training images; None where numbers or words are meant."""
    own, trained = _names(kinds[pool]), _names(kinds["train"])
    if own is not None and trained is None and not _are_words(kinds["train"]):
        _check_numbers(pool, own, folder)
        return None
    if own is None and trained is not None and not _are_words(kinds[pool]):
        _check_numbers(pool, trained, folder)
        return trained
    return own


def _check_numbers(pool: str, known: list[str], folder: str) -> None:
    """Refuse whole numbers beside a ClassLabel whose names are other numbers: either may be meant."""
    for place, name in enumerate(known):
        digits = str(name).strip()
        if digits.isdecimal() and (digits.lstrip("0") or "0") != str(place):
            raise UserError(
                f"Of the training and {pool} images in {names.text(folder)} some have labels that are whole numbers, others a ClassLabel "
                f"with the name {shortened(name)} for the number {place}, so that it is not known which numbers are meant. Save both with "
                "labels of one type (`cast_column`)."
            )


def _same_name(found: Mapping[Label, str], known: list[str] | None, pool: str, folder: str) -> list[str]:
    """A sentence for each name that several labels have, and for labels without a name; refuses those of which one has no name but its number."""
    labels: dict[str, list[Label]] = {}
    for each, name in found.items():
        labels.setdefault(name, []).append(each)
    shared = {name: several for name, several in labels.items() if len(several) > 1}
    for name, several in shared.items():
        if nameless := [each for each in several if isinstance(each, int) and not _has_name(each, known)]:
            other = next(each for each in several if each != nameless[0])
            raise UserError(
                f"The {pool} images in {names.text(folder)} have the label {nameless[0]}, which has no name, and the label {other}, whose "
                f"name is {shortened(name)}: give each label of the ClassLabel a name of its own, and save the dataset again."
            )
    nameless = [each for each in found if isinstance(each, int) and not _has_name(each, known)]
    without = (
        [f"Labels without a name are called by their number: {', '.join(map(str, nameless[:5]))}."] if nameless else []
    )
    return without + [
        f"The labels {', '.join(map(str, several[:5]))} are one class, {shortened(name)}: their names differ in spaces, control characters "
        "or Unicode form only."
        for name, several in shared.items()
    ]


def _check_names(shown: list[str], labels: list[Any], folder: str, notes: list[str]) -> None:
    where = names.text(folder)
    if len(set(shown)) < 2:
        none = sum(not _is_label(each) for each in labels)
        left = f" {none:,} of {len(labels):,} images have no label: it is empty, or a negative number." if none else ""
        merged = "".join(f" {note}" for note in notes)
        few = f"a single class, {shown[0]!r}" if shown else "no class"
        raise UserError(f"The training images in {where} have {few}; at least two are needed.{left}{merged}")
    if long := next((name for name in shown if len(name) > LONGEST_CLASS), None):
        raise UserError(
            f"The training images in {where} have a class with a name of {len(long):,} characters, {clipped(long, 60)!r}; "
            f"{LONGEST_CLASS} are the most. Choose a column of short labels, and save the dataset again."
        )


def _check_split(
    pool: str, found: Collection[str], classes: tuple[str, ...], kinds: Mapping[str, Any], folder: str
) -> None:
    """Refuse a split with a class that no training image has, or without any image of a class."""
    known, where = set(classes), names.text(folder)
    if strange := next((name for name in found if name not in known), None):
        types = [_in_words(kinds[each]) for each in ("train", pool)]
        differ = (
            f" The labels of the training images are {types[0]}, those of the {pool} images {types[1]}: save both with labels of one "
            "type (`cast_column`)."
        )
        raise UserError(
            f"The {pool} images in {where} have the class {shortened(strange)}, which no training image has."
            f"{differ if types[0] != types[1] else ''}"
        )
    if not found:
        raise UserError(
            f"The {pool} images in {where} have no label. Add labels, or save the dataset without this split: then "
            f"{pool} images are taken from the training images."
        )


def _are_words(kind: Any) -> bool:
    return str(kind.dtype) in _WORDS


def _in_words(kind: Any) -> str:
    if (known := _names(kind)) is not None:
        return f"a ClassLabel ({clipped(', '.join(map(str, known)), 60)})"
    return "words" if _are_words(kind) else "whole numbers"


def _has_name(label: int, known: list[str] | None) -> bool:
    return known is None or (label < len(known) and _word(str(known[label])) is not None)


def _name(label: Label, known: list[str] | None) -> str:
    """The name of a label, where the column has one for it, in one Unicode form and without what acts on a terminal."""
    if known is not None and isinstance(label, int):
        return (_word(str(known[label])) if label < len(known) else None) or str(label)
    return _word(str(label)) or str(label)


def _is_label(each: Any) -> bool:
    return isinstance(each, str) or (isinstance(each, int) and not isinstance(each, bool) and each >= 0)
