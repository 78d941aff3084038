"""The whole recipe: its sections, and the checks that concern more than one of them."""

import unicodedata
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from kdcore import paths
from kdcore.errors import UserError
from kdcore.recipe import schedules, yaml_text
from kdcore.recipe.base import MOST_EPOCHS, UNTITLED, Fraction, Section, Seeds, check_seeds, name_of
from kdcore.recipe.data import DataRecipe
from kdcore.recipe.models import ModelRecipe, TeacherRecipe, TwinRecipe
from kdcore.recipe.optimizer import LearningRate, OptimizerRecipe
from kdcore.recipe.references import WeightFile
from kdcore.recipe.terms import SUPERVISED, WATCHED, Adapt, Term


class Probes(Section):
    """Pinned images whose maps are stored during training."""

    images: int = Field(4, ge=0, le=32, description="number of pinned test images")
    per_epoch: float = Field(2, gt=0, description="maps per epoch, within the budget")
    budget: Fraction = Field(0.02, description="largest share of the run's time")


class Robustness(Section):
    """Perturbed sets of validation images on which all networks are measured after every epoch."""

    sets: Annotated[tuple[Annotated[str, Field(max_length=80)], ...], Field(max_length=8)] = Field(
        (), description="test sets with their strength, such as patch_scramble@4; none unless given"
    )
    images: int = Field(300, ge=50, le=10_000, description="number of validation images to perturb")


class Recipe(Section):
    """Everything that decides a run."""

    name: Annotated[str, AfterValidator(name_of)] = Field(UNTITLED, min_length=1, max_length=80)
    note: str = Field("", max_length=20_000)
    data: DataRecipe = DataRecipe()
    teacher: TeacherRecipe | None = None
    student: ModelRecipe
    twin: bool | TwinRecipe = False
    terms: tuple[Term, ...] = Field((Term(method=SUPERVISED),), max_length=50)
    weighting: Literal["fixed", "gradients", "uncertainty"] = Field(
        "fixed", description="how terms are balanced: by their weights, by equal gradient norms, or by learned weights"
    )
    optimizer: OptimizerRecipe = OptimizerRecipe()
    lr: LearningRate = LearningRate()
    epochs: int = Field(10, ge=1, le=MOST_EPOCHS)
    seeds: Seeds = (0,)
    precision: Literal["exact", "fast"] = Field(
        "exact", description="float32 throughout, or bfloat16 where it is faster on this device"
    )
    compile: bool = Field(False, description="try torch.compile; used where it makes steps faster")
    probes: Probes = Probes()
    robustness: Robustness = Robustness()
    checkpoint_every: float = Field(1, gt=0, description="epochs between checkpoints")

    def watched(self, adapt: Adapt) -> str:
        """The term whose loss decides when a weight falls: `adapt.watch`, else the `kd` term."""
        named = [term.label for term in self.terms if term.method == WATCHED]
        return adapt.watch or (named[0] if named else WATCHED)

    @property
    def kept_views(self) -> int:
        """In how many fixed augmentations the training images come, one an epoch in turn; 0: in ever new ones. Without
        augmentation there is but one."""
        wanted = self.teacher.cache_views if self.teacher else 0
        return wanted if self.data.augmented else min(wanted, 1)

    @property
    def teacher_size(self) -> int:
        """The side in pixels of the teacher's images; `data.image_size` is the student's."""
        return (self.teacher and self.teacher.image_size) or self.data.image_size

    def of_run(self) -> "Recipe":
        """The recipe of a single run (its first seed's) with its data as they are drawn for this run."""
        return self.model_copy(update={"data": self.data.of_run(self.seeds[0])})

    def to_yaml(self) -> str:
        """The recipe without settings at their defaults, in the order of the fields: for people. A run stores `to_full_yaml`."""
        return yaml_text.written(self.model_dump(mode="json", exclude_defaults=True))

    def to_full_yaml(self) -> str:
        """The recipe with all settings, so that it means the same when a default changes; files in the data and runs folders
        relative to these."""
        return yaml_text.written(self.to_portable())

    def to_portable(self) -> dict[str, Any]:
        """`to_full_yaml` as plain data."""
        plain = self.model_dump(mode="json")
        if plain["data"]["path"]:
            plain["data"]["path"] = paths.portable(plain["data"]["path"])
        for name in ("teacher", "student"):
            spec = getattr(self, name)
            if spec and isinstance(spec.reference, WeightFile):
                plain[name]["weights"] = paths.portable(spec.weights)
        return plain

    def without_folders(self) -> "Recipe":
        """For publication: files and folders by name, without the folders of this machine that they are in."""
        changed: dict[str, Any] = {}
        if self.data.path:
            changed["data"] = self.data.model_copy(update={"path": paths.last_part(self.data.path)})
        for name in ("teacher", "student"):
            spec = getattr(self, name)
            if spec and isinstance(spec.reference, WeightFile):
                changed[name] = spec.model_copy(update={"weights": paths.last_part(spec.weights)})
        return self.model_copy(update=changed)

    @field_validator("precision", mode="before")
    @classmethod
    def _as_it_was_called(cls, value: Any) -> Any:
        """The names of earlier versions: the number types."""
        return {"fp32": "exact", "bf16": "fast"}.get(value, value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _sections_fit(self) -> "Recipe":
        self._terms_make_sense()
        self._epochs_make_sense()
        self._adapting_makes_sense()
        if self.lr.warmup_epochs >= self.epochs:
            raise UserError(
                f"`lr.warmup_epochs` ({self.lr.warmup_epochs:g}) must be less than `epochs` ({self.epochs}): "
                "train for more epochs, or shorten the warmup (0: none)"
            )
        if (lowest := self.lr.lowest(self.epochs)) < 0:
            raise UserError(
                f"`lr.shape` falls to {lowest:g}; it must be at least 0, since below 0 each step would raise the loss: end it at "
                "0, as {linear: [1, 0]} does"
            )
        if not self.lr.highest(self.epochs):
            raise UserError(
                "`lr.shape` is 0 in every epoch, so that nothing would be learned: start it at 1, as {linear: [1, 0]} does"
            )
        self._parts_of_a_batch_make_sense()
        self._robustness_makes_sense()
        if not self.seeds:
            raise UserError("`seeds` is empty: a run needs at least one, for example [0]")
        check_seeds(self.seeds)
        return self

    def _parts_of_a_batch_make_sense(self) -> None:
        parts = self.optimizer.accumulate
        if parts > 1 and 2 * parts > self.data.batch_size:
            raise UserError(
                f"`optimizer.accumulate` is {parts}, but a part of the batch needs at least 2 images, and `data.batch_size` is "
                f"{self.data.batch_size}: use at most {max(1, self.data.batch_size // 2)}"
            )
        if parts > 1 and self.compile:
            raise UserError(
                f"`optimizer.accumulate` is {parts}, which does not go with `compile`: set one of them to its default"
            )

    def _robustness_makes_sense(self) -> None:
        sets = self.robustness.sets
        if sets and not self.data.validation:
            raise UserError(
                "`robustness.sets` are made from the validation images, and there are none: set data.validation, for example to "
                "0.1, or leave `robustness` out"
            )
        if twice := sorted({name for name in sets if sets.count(name) > 1}):
            raise UserError(f"`robustness.sets` names {twice[0]!r} twice: name it once")

    def _terms_make_sense(self) -> None:
        if not self.terms:
            raise UserError("`terms` is empty: a run needs at least one, for example {method: ce}")
        labels = [term.label for term in self.terms]
        same = [unicodedata.normalize("NFC", label) for label in labels]
        if twice := sorted({label for label in same if same.count(label) > 1}):
            raise UserError(f"two terms have the name {twice[0]!r}: give one of them another `name`")
        if "total" in same:
            raise UserError(
                "a term has the name 'total', which is that of the sum of all losses: give it another `name`"
            )
        for place, term in enumerate(self.terms):
            if (lowest := schedules.lowest(term.weight, self.epochs)) < 0:
                raise UserError(f"`terms.{place}.weight` falls to {lowest:g}; it must be at least 0")
            if (lowest := schedules.lowest(term.temperature, self.epochs)) <= 0:
                raise UserError(f"`terms.{place}.temperature` falls to {lowest:g}; it must stay above 0")

    def _epochs_make_sense(self) -> None:
        for place, term in enumerate(self.terms):
            if term.from_epoch > self.epochs:
                raise UserError(
                    f"`terms.{place}.from_epoch` is {term.from_epoch}, but the run has {self.epochs} epochs: "
                    f"{term.label!r} would never be active"
                )
            if term.to_epoch is not None and term.to_epoch < term.from_epoch:
                raise UserError(
                    f"`terms.{place}.to_epoch` ({term.to_epoch}) is before its `from_epoch` ({term.from_epoch}): "
                    f"{term.label!r} would never be active"
                )
        for epoch in range(1, self.epochs + 1):
            if not any(term.counts_in(epoch) for term in self.terms):
                raise UserError(
                    f"no term is active in epoch {epoch}: let one of `terms` start earlier (from_epoch) or end later (to_epoch)"
                )

    def _adapting_makes_sense(self) -> None:
        for place, term in enumerate(self.terms):
            if term.adapt is None:
                continue
            if not self.data.validation:
                raise UserError(
                    f"`terms.{place}.adapt` watches a loss on the validation images, and there are none: "
                    "set data.validation, for example to 0.1"
                )
            labels, watched = [term.label for term in self.terms], self.watched(term.adapt)
            if watched not in labels:
                raise UserError(
                    f"`terms.{place}.adapt` watches {watched!r}, which is not a term of this recipe: "
                    f"set `watch` to one of {', '.join(labels)}"
                )
