"""`--alpha` and `--temp`, flags of the project behind the recipe dynamic-attention, as settings of a recipe's terms."""

from typing import Any

from kdcore.recipe import Recipe, RecipeError, Term, with_values

ALIGNMENT = ("attention", "attention_transfer")


def applied(recipe: Recipe, alpha: float | None, temp: float | None) -> Recipe:
    """The recipe with these two flags.

    Args:
        alpha: weight of the attention term; the kd term gets 1 - alpha.
        temp: temperature of the kd term; where that has a schedule, its start.

    Raises:
        RecipeError: the recipe has no such terms, or the number is out of range.
    """
    values: dict[str, Any] = {}
    if alpha is not None:
        if not 0 <= alpha <= 1:
            raise RecipeError(
                f"--alpha is {alpha:g}; a number from 0 to 1 was expected, as it divides the weight between two terms."
            )
        place = _only(recipe, ALIGNMENT, f"--alpha {alpha:g}")
        values[f"terms.{place}.weight"] = alpha
        values[f"terms.{_only(recipe, ('kd',), f'--alpha {alpha:g}')}.weight"] = round(1 - alpha, 6)
    if temp is not None:
        if temp <= 0:
            raise RecipeError(f"--temp is {temp:g}; a temperature above 0 was expected.")
        place = _only(recipe, ("kd",), f"--temp {temp:g}")
        values[f"terms.{place}.temperature"] = _starting_at(temp, recipe.terms[place].temperature)
    return with_values(recipe, values, source="the recipe with --alpha and --temp") if values else recipe


def _only(recipe: Recipe, methods: tuple[str, ...], flag: str) -> int:
    """The index of the only term with one of these methods. Raises RecipeError where there are none or several."""
    found = [place for place, term in enumerate(recipe.terms) if term.method in methods]
    if len(found) != 1:
        raise RecipeError(
            f"{flag} needs one {' or '.join(methods)} term in the recipe; {recipe.name} has {_labels(recipe.terms)}. Use the "
            "recipe dynamic-attention, or set the terms themselves: --set terms.0.weight=0.7 --set terms.1.temperature=3.0."
        )
    return found[0]


def _labels(terms: tuple[Term, ...]) -> str:
    return ", ".join(term.label for term in terms)


def _starting_at(temp: float, spec: Any) -> Any:
    """A schedule with its first value replaced; a number is replaced as a whole."""
    match spec:
        case {"linear": [_, end]} | {"linear": (_, end)}:
            return {"linear": [temp, end]}
        case {"cosine": [_, end]} | {"cosine": (_, end)}:
            return {"cosine": [temp, end]}
        case {"steps": settings}:
            return {"steps": {**settings, "start": temp}}
        case {"piecewise": points}:
            (epoch, _), *rest = points
            return {"piecewise": [[epoch, temp], *rest]}
    return temp
