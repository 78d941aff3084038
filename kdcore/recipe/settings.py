"""A recipe's settings by dotted name, terms by their label: those that are not at their default, and how they are called.

    {"data.name": "cues", "data.labels": 500, "terms": ["ce", "kd"], "terms.kd.weight": 0.9, ...}

Two recipes have the same settings if and only if they differ in name and note at most.
"""

import typing
from collections.abc import Mapping, Sequence
from functools import cache
from types import NoneType
from typing import Any

from pydantic_core import to_jsonable_python

from kdcore.recipe import yaml_text
from kdcore.recipe.base import Section
from kdcore.recipe.recipe import Recipe
from kdcore.recipe.terms import Term

Settings = Mapping[str, Any]  # plain data as in JSON
OWN = ("name", "note")  # of each run
ABSENT = "none"  # in words: one recipe has no such term or section
NETWORKS = ("teacher", "student")
NAMED_BY = {f"{network}.{part}": network for network in NETWORKS for part in ("model", "weights")}
FIRST = ("terms", "weight", "temperature", "lr", "labels")  # what runs are called by, before all other settings
LAST = ("seeds",)


def settings(recipe: Recipe) -> dict[str, Any]:
    """The settings that are not at their default, without name and note. `terms` lists the terms' labels in any case."""
    return {key: value for key, value in _of(recipe, "").items() if key not in OWN}


def _of(section: Section, start: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        key, value = f"{start}{name}", getattr(section, name)
        if name == "terms" and not start:
            found[key] = [term.label for term in value]
            for term in value:
                found |= _of_term(term)
        elif value == field.get_default(call_default_factory=True):
            continue
        elif isinstance(value, Section):
            if field.default in (None, False):  # it may be left out
                found[key] = True
            found |= _of(value, f"{key}.")
        else:
            found[key] = to_jsonable_python(value)
    return found


def _of_term(term: Term) -> dict[str, Any]:
    start = f"terms.{term.label}."
    found = _of(term, start)
    found.pop(f"{start}name", None)
    if term.method == term.label:
        del found[f"{start}method"]
    return found


@cache
def defaults() -> dict[str, Any]:
    """The default of every setting; `terms.*.weight` stands for the weight of any term."""
    return _defaults(Recipe, "")


def _defaults(kind: type[Section], start: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        key = f"{start}{name}"
        if not field.is_required():
            found[key] = to_jsonable_python(field.get_default(call_default_factory=True))
        for part in _sections(field.annotation):
            found |= _defaults(part, f"{key}.*." if part is Term else f"{key}.")
    return found


def _sections(annotation: Any) -> list[type[Section]]:
    """The sections that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [found for part in typing.get_args(annotation) if part is not NoneType for found in _sections(part)]


def network(found: Settings, name: str) -> str | None:
    """The teacher or student: its architecture, or the weights that name it, or both; None where there is none.

    `three_stage_cnn_16`, `cues-teacher`, `resnet18, pretrained`.
    """
    parts = (found.get(f"{name}.model"), found.get(f"{name}.weights"))
    return ", ".join(filter(None, parts)) or None


def value(found: Settings, key: str) -> Any:
    """A setting, or its default; None where the recipe has no such term or section. `teacher` and `student`: see `network`."""
    if key in NETWORKS:
        return network(found, key)
    if key in found:
        return found[key]
    first, _, rest = key.partition(".")
    if first == "terms" and rest:
        label, _, field = rest.rpartition(".") if rest not in found.get("terms", ()) else (rest, "", "")
        if label not in found.get("terms", ()):
            return None
        return label if field == "method" else defaults().get(f"terms.*.{field}")
    parts = key.split(".")
    for end in range(1, len(parts)):
        section = ".".join(parts[:end])
        if section not in found and defaults().get(section, True) in (None, False):
            return None
    return defaults().get(key)


def differing(several: Sequence[Settings]) -> dict[str, list[Any]]:
    """The settings in which recipes differ: dotted name -> the value of each. What says most comes first, the seed last.

    `teacher` and `student` stand for their model and weights: one recipe names the model, another weights that name it.
    """
    keys = dict.fromkeys(NAMED_BY.get(key, key) for found in several for key in found)
    values = {key: [value(found, key) for found in several] for key in keys}
    different = [key for key, each in values.items() if any(one != each[0] for one in each)]
    return {key: values[key] for key in sorted(different, key=_rank)}


def _rank(key: str) -> int:
    last = key.rpartition(".")[2]
    return FIRST.index(last) if last in FIRST else len(FIRST) + (last in LAST)


def called(key: str) -> str:
    """A setting in words: `kd temperature`, `labels`, `student`. A weight is called like its term."""
    first, *rest = key.replace("_", " ").split(".") if not key.startswith("terms.") else key.split(".")
    if first == "terms":
        return " ".join(rest[:-1] if rest[-1:] == ["weight"] else rest) if rest else ""
    if first in ("teacher", "student", "twin"):
        return " ".join([first, *(part for part in rest if part not in ("model", "weights"))])
    if key == "data.name":
        return "data"
    if key == "seeds":
        return "seed"
    return " ".join(rest) if rest else first


def in_words(of: Any) -> str:
    """A value as people write it: `0.9`, `on`, `none`, `ce + kd`."""
    match of:
        case None:
            return ABSENT
        case bool():
            return "on" if of else "off"
        case float():
            return f"{of:g}"
        case [one] if not isinstance(one, dict):
            return in_words(one)
        case [*several] if several and all(isinstance(each, str) for each in several):
            return " + ".join(several)
        case dict() | list():
            return yaml_text.in_a_line(of)
    return str(of)


def phrase(key: str, of: Any) -> str:
    """`kd 0.9`, `lr 0.001`, `ce + kd`, `seed 1`, `with twin`."""
    if key == "terms":
        return in_words(of)
    if (of is None or isinstance(of, bool)) and not key.startswith("terms."):
        return f"{'with' if of else 'without'} {called(key)}"
    return f"{called(key)} {in_words(of)}".strip()
