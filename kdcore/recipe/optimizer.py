"""A recipe's optimizer and the schedule of its learning rate."""

from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, field_validator

from kdcore.recipe import schedules
from kdcore.recipe.base import Fraction, Rate, Section, checked_schedule


class OptimizerRecipe(Section):
    name: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: Rate = 1e-3
    weight_decay: float = Field(0.05, ge=0, le=1000)
    momentum: Fraction = 0.9
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")
    accumulate: int = Field(
        1, ge=1, le=256, description="parts of a batch that are computed one after another, with less memory"
    )
    ema: float = Field(
        0, ge=0, lt=1, description="decay of the moving average of the weights, which is evaluated and saved; 0: none"
    )


class LearningRate(Section):
    """The learning rate's schedule, as a factor on the optimizer's: a shape, after a linear warm-up."""

    shape: Literal["constant", "linear", "cosine"] | dict[str, Any] = "cosine"
    warmup_epochs: float = Field(0, ge=0)

    @field_validator("shape")
    @classmethod
    def _known(cls, shape: Any) -> Any:
        return checked_schedule(shape) if isinstance(shape, dict) else shape

    def schedule(self, epochs: int) -> schedules.Schedule:
        return self._warmed(schedules.parse(self.spec, epochs), epochs)

    def _warmed(self, after: schedules.Schedule, epochs: int) -> schedules.Schedule:
        """A shape after the warm-up, which a factor scales too."""
        if not self.warmup_epochs:
            return after
        if isinstance(after, schedules.Scaled):
            return replace(after, schedule=self._warmed(after.schedule, epochs))
        return schedules.Warmup(after, self.warmup_epochs / epochs)

    def lowest(self, epochs: int) -> float:
        """The least factor in a run of so many epochs; the warm-up, from 0 on, is left out."""
        return schedules.lowest(self.spec, epochs)

    def highest(self, epochs: int) -> float:
        """The greatest factor in a run of so many epochs."""
        return schedules.highest(self.spec, epochs)

    @property
    def spec(self) -> Any:
        """The shape in the notation of `schedules`."""
        spec = {"constant": 1.0, "linear": {"linear": [1, 0]}, "cosine": {"cosine": [1, 0]}}
        return spec[self.shape] if isinstance(self.shape, str) else self.shape
