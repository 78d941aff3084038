"""Messages about recipes that cannot be used: the line, the key, the value, what was expected, and the nearest known key."""

import difflib
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from kdcore.errors import RecipeError, clipped, shortened
from kdcore.recipe import base
from kdcore.recipe.yaml_text import Lines

MOST_PROBLEMS = 10  # that a message lists; further ones are counted
LONGEST_WORD = 80  # that is compared with the known keys: the comparison takes the square of its length

Place = tuple[str, ...]  # the keys that lead to a value
MAPPING = "a mapping of settings"
TRUTH = "YAML reads yes, no, on and off as true and false"
Model = TypeVar("Model", bound=BaseModel)


def validated(kind: type[Model], plain: dict[str, Any], source: str, lines: Lines | None = None) -> Model:
    """Plain data as a pydantic model, or a RecipeError that explains each wrong key, with its line in a file."""
    try:
        return kind.model_validate(plain)
    except ValidationError as error:
        problems: dict[Place, list[Any]] = {}  # a union has a problem with each of its types
        for problem in error.errors(include_url=False):
            problems.setdefault(_place(problem, plain), []).append(problem)
        around = {place[:end] for place in problems for end in range(len(place))}
        deepest = [place for place in problems if place not in around or not place]  # the deeper one is more specific
        found = [(place, _explain(problems[place], kind)) for place in deepest]
    listed = [f"  - {_line(place, text, lines or {})}" for place, text in found[:MOST_PROBLEMS]]
    if more := len(found) - len(listed):
        listed.append(f"  - and {more:,} more.")
    raise RecipeError("\n".join([f"{clipped(source)} cannot be used:", *listed])) from None


def _line(place: Place, text: str, lines: Lines) -> str:
    """The explanation after its place in the file and its key; a rule about several keys names them itself."""
    named = re.search(r"`([\w.]+)`", text)
    line = lines.get(place or (tuple(named[1].split(".")) if named else ()))
    for above in range(len(place) - 1, 0, -1):  # a missing key has no line
        line = line or lines.get(place[:above])
    return (f"line {line}, " if line else "") + (f"`{clipped('.'.join(place))}` {text}" if place else text)


def _place(problem: Any, plain: Any) -> Place:
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
            return f"is not a known key{_instead(first, kind)}"
        case "missing":
            return "is missing."
        case "value_error":
            message: str = first["msg"].removeprefix("Value error, ")
            return clipped(message if not first["loc"] else f"cannot be used: {message}", 1000)
        case base.EXCHANGED:
            return f"should be {first['ctx']['wanted']}, not {as_yaml(first['ctx']['came'])}."
        case "too_long" | "string_too_long":
            unit = "entries" if first["type"] == "too_long" else "characters"
            return f"has {len(first['input']):,} {unit}; at most {first['ctx']['max_length']:,} are allowed."
        case "string_too_short":
            return "is empty: give it a text, or leave the key out."
        case "invalid_key":
            return "is not a known key: keys are text."
    wanted = expected([problem["msg"] for problem in problems])
    if first["input"] is None:
        return f"is empty; it should be {wanted}."
    if wanted == MAPPING and isinstance(first["input"], str):
        wanted = f"{MAPPING} ({', '.join(_known_keys(first['loc'], kind)[:4])}, ...)"
    quotes = "; put text in quotes" if wanted == "a string" and isinstance(first["input"], (int, float)) else ""
    return f"should be {wanted}, not {as_yaml(first['input'])}{quotes}."


def expected(messages: list[str]) -> str:
    """What pydantic's messages about a value say that it should be, in one clause."""
    aside = r", (unable to|exceeded|got a number) .*|^(Input should be|Unable to parse input string as) |valid "
    wanted = [
        re.sub(r"^a dictionary( or instance of \w+)?", MAPPING, re.sub(aside, "", message))
        .replace("a integer", "an integer")
        .replace("a tuple", "a list")
        for message in messages
    ]
    return " or ".join(dict.fromkeys(wanted))


def as_yaml(value: Any) -> str:
    """A value as YAML has it, shortened."""
    if value is None:
        return "empty"
    return f"{str(value).lower()} ({TRUTH})" if isinstance(value, bool) else shortened(value)


def _known_keys(location: tuple[Any, ...], kind: type[BaseModel]) -> list[str]:
    """The settings of the innermost section on the way to a place."""
    for part in location:
        field = kind.model_fields.get(str(part))
        kind = next(_sections(field.annotation), kind) if field else kind
    return list(kind.model_fields)


def _instead(problem: Any, kind: type[BaseModel]) -> str:
    """After `is not a known key`: what was probably meant, by the same word elsewhere in the recipe, or the nearest one here."""
    key = str(problem["loc"][-1])[:LONGEST_WORD]
    word = key.replace("-", "_")
    known = _known_keys(problem["loc"][:-1], kind)
    if problem["input"] is None and re.fullmatch(r"\d[\d.eE+-]*", key):
        return ": numbers have a decimal point, not a comma."
    elsewhere = [] if word in known else _keys_of_sections(kind).get(word, [])
    if meant := elsewhere or difflib.get_close_matches(word, known, n=1):
        return f". Did you mean {' or '.join(f'`{name}`' for name in meant[:2])}?"
    return f". Known: {', '.join(known)}."


@lru_cache(maxsize=8)
def _keys_of_sections(kind: type[BaseModel]) -> dict[str, list[str]]:
    """The last part of each key, and the whole ones that end in it: of the whole, and of its sections, not those within lists."""
    found: dict[str, list[str]] = {}
    for name, field in kind.model_fields.items():
        found.setdefault(name, []).append(name)
        if get_origin(field.annotation) is not tuple:
            for inner in next((section.model_fields for section in _sections(field.annotation)), {}):
                found.setdefault(inner, []).append(f"{name}.{inner}")
    return found


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections in a type, such as that of `teacher: TeacherRecipe | None` or `terms: tuple[Term, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections(inner)
