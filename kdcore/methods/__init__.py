"""Distillation methods, one file each, named as in recipes; this module finds and builds them."""

import difflib
import importlib
import inspect
from collections.abc import Iterable
from typing import Any, cast, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from kdcore import plugins
from kdcore.errors import UserError
from kdcore.methods.base import Method
from kdcore.recipe import Term, refusal
from kdcore.tensors.outputs import Shapes


def names() -> tuple[str, ...]:
    """The names of all methods, sorted: the files here, and plugins."""
    return tuple(sorted([*own_names(), *plugins.names(Method.part_kind)]))


def own_names() -> list[str]:
    """The names of this project's methods."""
    return [module.name for module in plugins.modules(__path__) if module.name != "base"]


def every() -> dict[str, type[Method]]:
    """Name -> class of all methods, sorted by name."""
    found = {name: _own(name) for name in own_names()}
    found |= {name: cast(type[Method], plugin.part) for name, plugin in plugins.parts(Method.part_kind).items()}
    return dict(sorted(found.items()))


def get(name: str) -> type[Method]:
    """The class of a method.

    Raises:
        UserError: there is no such method; the message names the nearest.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UserError(f"Unknown method {name!r}.{hint} Known methods: {', '.join(names())}.{plugins.hint(name)}")
    if plugin := plugins.parts(Method.part_kind).get(name):
        return cast(type[Method], plugin.part)
    return _own(name)


def _own(name: str) -> type[Method]:
    (method,) = plugins.held(importlib.import_module(f"kdcore.methods.{name}"))
    return cast(type[Method], method)


def options(name: str) -> dict[str, inspect.Parameter]:
    """The options of a method in a recipe, with their defaults."""
    parameters = inspect.signature(get(name).__init__).parameters
    return {key: value for key, value in parameters.items() if value.kind is value.KEYWORD_ONLY and key != "layers"}


def check(term: Term) -> None:
    """Raises UserError for a term whose method or options do not exist."""
    known = options(term.method)
    for option in term.options:
        if option not in known:
            near = difflib.get_close_matches(option, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UserError(
                f"Method {term.method!r} has no option {option!r}.{hint} Its options: {', '.join(known) or 'none'}."
            )
        _value(term, option)
    if term.layers is not None and "layers" not in inspect.signature(get(term.method).__init__).parameters:
        raise UserError(f"Method {term.method!r} does not weight layers: remove `layers` from the term {term.label!r}.")


def _value(term: Term, option: str) -> Any:
    """The value of an option; a number for text such as 1e-3, which YAML reads as text.

    Raises:
        UserError: it has another type than the option, or is out of its range.
    """
    value, hint = term.options[option], get_type_hints(get(term.method).__init__, include_extras=True)[option]
    try:
        taken = TypeAdapter(hint, config=ConfigDict(allow_inf_nan=False)).validate_python(value)
    except ValidationError as error:
        wanted = refusal.expected([problem["msg"] for problem in error.errors(include_url=False)])
    else:
        if isinstance(value, bool) == isinstance(taken, bool):
            return taken if isinstance(value, str) else value
        wanted = "true or false" if isinstance(taken, bool) else "a number"
    raise UserError(
        f"The option {option!r} of the term {term.label!r} should be {wanted}, not {refusal.as_yaml(value)}."
    )


def compares_classes(terms: Iterable[Term]) -> bool:
    """Whether a term reads the teacher's logits, so that its classes must be the data's."""
    return any(get(term.method).uses_teacher and get(term.method).needs & {"logits", "dense"} for term in terms)


def build(term: Term, student: Shapes, teacher: Shapes | None) -> Method:
    """A term's method, sized for the two networks. Raises UserError where it cannot work for them."""
    check(term)
    method = get(term.method)
    if method.uses_teacher and teacher is None:
        raise UserError(
            f"Method {term.method!r} needs a teacher, and the recipe has none: add a `teacher` section, or remove the term."
        )
    layers = {} if term.layers is None else {"layers": term.layers}
    try:
        return method(student, teacher, **{option: _value(term, option) for option in term.options}, **layers)
    except UserError as error:
        raise UserError(f"The term {term.label!r} cannot be used here: {error}") from None
