"""Messages about recipes that cannot be used: the key, the value, what was expected, and the nearest known key."""

import difflib
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from kdcore.errors import RecipeError, clipped, shortened
from kdcore.recipe.data import DataRecipe
from kdcore.recipe.models import FineTune, ModelRecipe, TeacherRecipe, TwinRecipe
from kdcore.recipe.optimizer import LearningRate, OptimizerRecipe
from kdcore.recipe.recipe import Probes
from kdcore.recipe.terms import Adapt, Term

MOST_PROBLEMS = 10  # that a message lists; further ones are counted
LONGEST_WORD = 80  # that is compared with the known keys: the comparison takes the square of its length

Model = TypeVar("Model", bound=BaseModel)


def validated(kind: type[Model], plain: dict[str, Any], source: str) -> Model:
    """Plain data as a pydantic model, or a RecipeError that explains each wrong key."""
    try:
        return kind.model_validate(plain)
    except ValidationError as error:
        problems: dict[tuple[str, ...], list[Any]] = {}  # a union has a problem with each of its types
        for problem in error.errors(include_url=False):
            problems.setdefault(_place(problem, plain), []).append(problem)
        around = {place[:end] for place in problems for end in range(len(place))}
        deepest = [place for place in problems if place not in around or not place]  # the deeper one is more specific
        lines = [_line(place, problems[place], kind) for place in deepest[:MOST_PROBLEMS]]
        if more := len(deepest) - len(lines):
            lines.append(f"and {more:,} more.")
        listed = "\n".join(f"  - {line}" for line in lines)
        raise RecipeError(f"{clipped(source)} cannot be used:\n{listed}") from None


def _line(place: tuple[str, ...], problems: list[Any], kind: type[BaseModel]) -> str:
    return f"`{clipped('.'.join(place))}` {_explain(problems, kind)}" if place else _explain(problems, kind)


def _place(problem: Any, plain: Any) -> tuple[str, ...]:
    """The keys that lead to the value, without pydantic's names for the alternatives of a union."""
    kept = []
    for index, part in enumerate(problem["loc"]):
        last = index == len(problem["loc"]) - 1
        if isinstance(plain, dict) and (part in plain or (last and problem["type"] == "missing")):
            kept.append(part if isinstance(part, str) else shortened(part))
            plain = plain.get(part)
        elif isinstance(plain, (list, tuple)) and isinstance(part, int):
            kept.append(str(part))
            plain = plain[part]
    return tuple(kept)


def _explain(problems: list[Any], kind: type[BaseModel]) -> str:
    """The explanation for one key."""
    first = next((problem for problem in problems if problem["type"] in ("too_long", "string_too_long")), problems[0])
    match first["type"]:
        case "extra_forbidden":
            known = _known_keys(first["loc"][:-1], kind)
            near = difflib.get_close_matches(str(first["loc"][-1])[:LONGEST_WORD], known, n=1)
            return "is not a known key." + (f" Did you mean `{near[0]}`?" if near else f" Known: {', '.join(known)}.")
        case "missing":
            return "is missing."
        case "value_error":
            message: str = first["msg"].removeprefix("Value error, ")
            return clipped(message if not first["loc"] else f"cannot be used: {message}", 1000)
        case "too_long" | "string_too_long":
            unit = "entries" if first["type"] == "too_long" else "characters"
            return f"has {len(first['input']):,} {unit}; at most {first['ctx']['max_length']:,} are allowed."
        case "invalid_key":
            return "is not a known key: keys are text."
    wanted = [
        re.sub(
            r", unable to .*|, exceeded .*|^(Input should be|Unable to parse input string as) |valid ",
            "",
            problem["msg"],
        )
        for problem in problems
    ]
    wanted = [
        re.sub(r"^a dictionary( or instance of \w+)?", "a mapping of settings", text).replace("a integer", "an integer")
        for text in wanted
    ]
    return f"should be {' or '.join(wanted)}, not {shortened(first['input'])}."


def _known_keys(location: tuple[Any, ...], kind: type[BaseModel]) -> list[str]:
    sections: dict[str, type[BaseModel]] = {
        "data": DataRecipe, "teacher": TeacherRecipe, "student": ModelRecipe, "terms": Term, "optimizer": OptimizerRecipe,
        "lr": LearningRate, "probes": Probes, "finetune": FineTune, "twin": TwinRecipe, "adapt": Adapt,
    }  # fmt: skip
    named = [part for part in location if part in sections]
    return list((sections[named[-1]] if named else kind).model_fields)
