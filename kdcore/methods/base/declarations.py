"""Checks what a method declares: a complete card, outputs that networks have, and options that a recipe can give."""

import inspect
import math
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from kdcore.errors import UserError, blank
from kdcore.methods.base.card import Card
from kdcore.plugins.part import check_types

OUTPUTS = frozenset({"logits", "pooled", "features", "attention", "dense", "qkv"})  # that a method may need
MOST = 10_000_000  # no whole number among the options goes so far


def check(method: Any, base: type) -> None:
    """Refuse the declarations of a method's class that are incomplete or do not fit each other. Raises UserError.

    base: the class that annotates them.
    """
    card = getattr(method, "card", None)
    if not isinstance(card, Card):
        raise UserError(f"{method.__name__} has no `card`: describe the method with `card = Card(title=..., ...)`.")
    check_types(card, Card, f"the card of {method.__name__}")
    check_types(method, base, method.__name__)
    for field in ("title", "summary", "formula", "paper", "source", "use", "avoid"):
        if blank(getattr(card, field)):
            raise UserError(
                f"`{field}` of the card of {method.__name__} is empty: write a sentence, which the pages show."
            )
    if not card.url.startswith("https://") or not 0 < card.weight < math.inf:
        raise UserError(
            f"The card of {method.__name__} has the url {card.url!r} and the weight {card.weight}: the url should begin with "
            "https:// and the weight be above 0."
        )
    if (card.temperature is not None) != method.uses_temperature:
        raise UserError(
            f"{method.__name__} has `uses_temperature = {method.uses_temperature}`, but its card the temperature {card.temperature}: "
            "give one exactly where `forward` uses it."
        )
    if unknown := sorted({*method.needs, *method.accepts_bfloat16} - OUTPUTS):
        raise UserError(f"{method.__name__} needs {unknown[0]!r}; networks have {', '.join(sorted(OUTPUTS))}.")
    _check_options(method)


def _check_options(method: Any) -> None:
    """Refuse options that no recipe could give, and whole numbers without a limit. Raises UserError."""
    parameters = list(inspect.signature(method.__init__).parameters.values())[1:]
    if [each.kind is each.KEYWORD_ONLY for each in parameters] != [False, False] + [True] * (len(parameters) - 2):
        raise UserError(
            f"{method.__name__} takes ({', '.join(each.name for each in parameters)}): after the student's and the teacher's "
            "shapes come options by keyword alone, `(self, student, teacher, *, scale: Factor = 1.0)`."
        )
    hints = get_type_hints(method.__init__, include_extras=True)
    for option in parameters[2:]:
        if option.name not in hints or option.default is option.empty:
            raise UserError(
                f"The option {option.name!r} of {method.__name__} needs a type and a default, as in `{option.name}: Factor = 1.0`."
            )
        if type(option.default) is int and option.default >= 0 and _takes(hints[option.name], MOST):
            raise UserError(
                f"The option {option.name!r} of {method.__name__} is a whole number without a limit: give its range with `Count`, "
                "`Width`, `Side`, `Layers` or `Steps` of kdcore.methods.base."
            )


def _takes(hint: Any, value: int) -> bool:
    try:
        TypeAdapter(hint).validate_python(value)
    except ValidationError:
        return False
    return True
