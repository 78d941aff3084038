"""What the sections of a recipe have in common: they are frozen and refuse unknown keys. And the values that several take."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from kdcore import schedules

Fraction = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def checked_schedule(spec: Any) -> Any:
    """A schedule as a recipe says it, a number or a mapping. Raises ValueError where it is none."""
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
