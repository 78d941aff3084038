"""A recipe's terms: the methods that make up the total loss, each with weight, temperature and options."""

from typing import Annotated, Any, Literal

from pydantic import Field

from kdcore.recipe.base import MOST_EPOCHS, ScheduleSpec, Section

SUPERVISED = (
    "ce"  # the method that learns from labels alone: of a twin, of a fine-tuned teacher, of a recipe without terms
)
WATCHED = "kd"  # the method whose loss an adapted weight watches unless the recipe names a term


class Adapt(Section):
    """A weight that is reduced when a term's validation loss stops improving."""

    factor: float = Field(0.5, gt=0, lt=1, description="what the weight is multiplied by")
    patience: int = Field(2, ge=1, le=MOST_EPOCHS, description="epochs without a new best")
    watch: str | None = Field(None, max_length=80, description="whose loss is watched; the `kd` term's unless given")


class Term(Section):
    """One method in the total loss, with its weight."""

    method: str = Field(max_length=80)
    name: str | None = Field(None, max_length=80, description="how the term is called; the method's name unless given")
    weight: ScheduleSpec = 1.0
    temperature: ScheduleSpec = 4.0
    layers: (
        Literal["entropy", "inverse_entropy", "uniform"] | Annotated[tuple[float, ...], Field(max_length=200)] | None
    ) = Field(
        None, description="how the teacher's layers share: by entropy (sharply or gently), alike, or by given weights"
    )
    from_epoch: int = Field(1, ge=1, le=MOST_EPOCHS, description="the term counts from this epoch on (1-based)")
    to_epoch: int | None = Field(None, ge=1, le=MOST_EPOCHS, description="the last epoch in which the term counts")
    adapt: Adapt | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def label(self) -> str:
        return self.name or self.method

    def counts_in(self, epoch: int) -> bool:
        """Whether the term counts in an epoch (1-based)."""
        return self.from_epoch <= epoch and (self.to_epoch is None or epoch <= self.to_epoch)
