"""What is wrong with a recipe, in words: the key, what came, what would do, and the nearest key that there is."""

import difflib
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from kdcore.recipe.data import DataRecipe
from kdcore.recipe.models import FineTune, ModelRecipe, TeacherRecipe, TwinRecipe
from kdcore.recipe.optimizer import LearningRate, OptimizerRecipe
from kdcore.recipe.recipe import Probes
from kdcore.recipe.terms import Adapt, Term

Model = TypeVar("Model", bound=BaseModel)


class RecipeError(ValueError):
    """A recipe that cannot be used; the message says which key, why, and what would do."""


def validated(kind: type[Model], plain: dict[str, Any], source: str) -> Model:
    """Plain data as a model of ours, or a RecipeError that says for each key what is wrong with it."""
    try:
        return kind.model_validate(plain)
    except ValidationError as error:
        problems: dict[str, list[Any]] = {}  # a value that may be of two kinds has a problem with each
        for problem in error.errors():
            problems.setdefault(_place(problem, plain), []).append(problem)
        lines = [
            f"`{where}` {_explain(found, kind)}" if where else _explain(found, kind)
            for where, found in problems.items()
            if not any(other.startswith(f"{where}.") for other in problems)  # the deeper one says more
        ]
        raise RecipeError(f"{source} cannot be used:\n" + "\n".join(f"  - {line}" for line in lines)) from None


def _place(problem: Any, plain: Any) -> str:
    """The dotted key that is meant, without the names that pydantic gives to the kinds a value may be of."""
    kept = []
    for index, part in enumerate(problem["loc"]):
        last = index == len(problem["loc"]) - 1
        if isinstance(plain, dict) and (part in plain or (last and problem["type"] == "missing")):
            kept.append(str(part))
            plain = plain.get(part)
        elif isinstance(plain, (list, tuple)) and isinstance(part, int):
            kept.append(str(part))
            plain = plain[part]
    return ".".join(kept)


def _explain(problems: list[Any], kind: type[BaseModel]) -> str:
    """What is wrong at one place."""
    first = problems[0]
    match first["type"]:
        case "extra_forbidden":
            known = _known_keys(first["loc"][:-1], kind)
            near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
            return "is not a known key." + (f" Did you mean `{near[0]}`?" if near else f" Known: {', '.join(known)}.")
        case "missing":
            return "is missing."
        case "value_error":
            message: str = first["msg"].removeprefix("Value error, ")
            return message if not first["loc"] else f"cannot be used: {message}"
    wanted = [re.sub(r", unable to .*|^Input should be |valid ", "", problem["msg"]) for problem in problems]
    wanted = [
        re.sub(r"^a dictionary( or instance of \w+)?", "a mapping of settings", text).replace("a integer", "an integer")
        for text in wanted
    ]
    return f"should be {' or '.join(wanted)}, not {first['input']!r}."


def _known_keys(location: tuple[Any, ...], kind: type[BaseModel]) -> list[str]:
    sections: dict[str, type[BaseModel]] = {
        "data": DataRecipe, "teacher": TeacherRecipe, "student": ModelRecipe, "terms": Term, "optimizer": OptimizerRecipe,
        "lr": LearningRate, "probes": Probes, "finetune": FineTune, "twin": TwinRecipe, "adapt": Adapt,
    }  # fmt: skip
    named = [part for part in location if part in sections]
    return list((sections[named[-1]] if named else kind).model_fields)
