"""The base class of a recipe's sections, frozen and without unknown keys, and types that several sections use."""

import unicodedata
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import PydanticCustomError

from kdcore import paths
from kdcore.errors import UserError, blank, clipped, shortened, visible
from kdcore.recipe import schedules

Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1000)]  # of learning
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Seeds = Annotated[tuple[Seed, ...], Field(max_length=1000)]
MOST_EPOCHS = 10_000
EXCHANGED = "exchanged"  # the type of a problem: a truth value for a number, or a number for a truth value
LONGEST_PATH, LONGEST_PART = 1000, 200  # file systems allow somewhat more


def check_seeds(seeds: tuple[int, ...]) -> None:
    """Raises UserError where a seed is given twice: the two runs would be the same."""
    if len(set(seeds)) < len(seeds):
        raise UserError(
            f"`seeds` names one twice: {clipped(', '.join(map(str, seeds)))}. The runs would be identical: give each seed once"
        )


UNTITLED = "untitled"


def name_of(text: str) -> str:
    """A name as it is stored: without what acts on a terminal, umlauts as one character; `untitled` where nothing would be seen."""
    return UNTITLED if blank(text) else unicodedata.normalize("NFC", visible(text))


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="wrap")
    @classmethod
    def _not_exchanged(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        """Truth values are no numbers, and numbers no truth values, though pydantic takes them so."""
        taken = handler(value)
        for came, took in zip(value, taken, strict=True) if isinstance(taken, tuple) else ((value, taken),):
            if isinstance(came, (int, float)) and isinstance(took, (int, float)):
                if isinstance(came, bool) and not isinstance(took, bool):
                    raise PydanticCustomError(EXCHANGED, "exchanged", {"wanted": "a number", "came": came})
                if isinstance(took, bool) and not isinstance(came, bool):
                    raise PydanticCustomError(EXCHANGED, "exchanged", {"wanted": "true or false", "came": came})
        return taken


def checked_path(path: str) -> str:
    """A path that a file system may have, with `$KD_DATA/` and `$KD_RUNS/` expanded. Raises UserError for others."""
    if "\0" in path:
        raise UserError(f"{shortened(path)} is not a path: it contains a zero byte")
    try:
        path.encode()
    except UnicodeError:  # a name on the command line that is not UTF-8, which no recipe could hold
        raise UserError(f"{shortened(path)} is not UTF-8 text: rename the folder or file") from None
    if len(path) > LONGEST_PATH or any(len(part.encode(errors="replace")) > LONGEST_PART for part in path.split("/")):
        raise UserError(
            f"it has {len(path):,} characters; a path has at most {LONGEST_PATH:,}, a name in it {LONGEST_PART} bytes"
        )
    return paths.expanded(path)


PathText = Annotated[str, AfterValidator(checked_path)]


def checked_schedule(spec: Any) -> Any:
    """A schedule in a recipe, a number or a mapping. Raises UserError for anything else."""
    if isinstance(spec, str):  # YAML reads 1e-3, without a point, as text
        spec = _number_or(spec)
    schedules.parse(spec, epochs=1)
    return spec


ScheduleSpec = Annotated[float | dict[str, Any], BeforeValidator(checked_schedule)]


def _number_or(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
