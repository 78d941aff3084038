"""A recipe: everything that decides a run, as plain data. YAML in and out; unknown keys and bad ranges are refused.

A recipe carries a `note` that says what it reproduces, what to expect and what it costs.
"""

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from kdcore import schedules

AUGMENTATIONS = ("flip", "crop", "jitter", "rotation")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where PyYAML has it: an eighth of the time
Fraction = Annotated[float, Field(ge=0, le=1)]
Model = TypeVar("Model", bound=BaseModel)


def _schedule(spec: Any) -> Any:
    if isinstance(spec, str):  # YAML reads 1e-3, without a point, as text
        spec = _number_or(spec)
    schedules.parse(spec, epochs=1)
    return spec


def _number_or(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


ScheduleSpec = Annotated[float | dict[str, Any], BeforeValidator(_schedule)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataRecipe(_Part):
    """Which images, and what is done to them."""

    name: Literal["cues", "cifar10", "cifar100", "folder"] = "cues"
    path: str | None = Field(None, description="the folder of class folders, for `folder`")
    image_size: int = Field(64, ge=8, le=1024, description="side in pixels; images are resized to it")
    train_images: int | None = Field(None, ge=10, description="use only so many training images, classes balanced")
    test_images: int | None = Field(None, ge=10, description="use only so many test images, classes balanced")
    validation: float = Field(0.1, ge=0, lt=0.9, description="share of the training images held out")
    labels: Annotated[int, Field(ge=0)] | Literal["all"] = Field(
        "all", description="training images that keep their label, classes balanced"
    )
    label_noise: Fraction = Field(
        0, description="share of the training labels that are wrong, for student and twin; the teacher never saw them"
    )
    only: tuple[str, ...] | None = Field(None, description="use only these classes, in this order")
    texture_agreement: Fraction = Field(
        0.1, description="`cues` only: share of training images whose texture is their shape's own"
    )
    augment: tuple[Literal["flip", "crop", "jitter", "rotation"], ...] = ()
    batch_size: int = Field(64, ge=1, le=8192)
    seed: int = Field(0, ge=0, description="which images are held out, kept and labelled")

    @model_validator(mode="after")
    def _folder_has_path(self) -> "DataRecipe":
        if self.name == "folder" and not self.path:
            raise ValueError("data 'folder' needs `path`: a folder that holds one folder of images for each class")
        return self


class FineTune(_Part):
    """Training the teacher on the run's own data first, with labels alone."""

    epochs: int = Field(3, ge=1)
    lr: float = Field(1e-4, gt=0)
    freeze_backbone: bool = Field(False, description="train only the classifier")


class ModelRecipe(_Part):
    """A network and where its weights come from.

    `model` is a timm name, `torchvision/NAME`, or one of ours; it may be left out where the weights know their model.
    `weights` is `none` (random), `pretrained` (the model zoo's), a bundled model's name, a run (`run:ID/student`), or
    the path of a .safetensors file.
    """

    model: str | None = None
    weights: str = "none"
    mean: tuple[float, float, float] | None = Field(None, description="overrides the statistics the weights come with")
    std: tuple[float, float, float] | None = None
    options: dict[str, Any] = Field(default_factory=dict, description="further arguments of the model's constructor")

    @model_validator(mode="after")
    def _names_something(self) -> "ModelRecipe":
        if self.model is None and self.weights in ("none", "pretrained"):
            raise ValueError("name a `model`, or `weights` that know their model (a bundled model, a run, a file)")
        return self


class TeacherRecipe(ModelRecipe):
    finetune: FineTune | None = None
    map_classes: bool = Field(
        False, description="keep only the data's classes of its answers, found by their names, in the data's order"
    )
    accept: bool = Field(False, description="run it although the teacher's examination says stop")
    cache_views: int = Field(
        0,
        ge=0,
        le=1000,
        description="keep its answers for so many fixed augmentations of each image; 0: ask it in every step",
    )

    @model_validator(mode="after")
    def _one_way_to_the_classes(self) -> "TeacherRecipe":
        if self.map_classes and self.finetune:
            raise ValueError(
                "`map_classes` keeps the teacher's classifier, `finetune` replaces it: leave one of them out"
            )
        return self


class TwinRecipe(_Part):
    """The student's twin without a teacher. Same initialisation, batches and augmentation; its own learning rate if
    the student's is not its best."""

    lr: float | None = Field(None, gt=0)


class Adapt(_Part):
    """A weight that falls when a term's loss on the held-out images no longer does (seed: adaptive beta)."""

    factor: float = Field(0.5, gt=0, lt=1, description="what the weight is multiplied by")
    patience: int = Field(2, ge=1, description="epochs without a new best")
    watch: str | None = Field(None, description="whose loss is watched; the `kd` term's unless given")


class Term(_Part):
    """One method in the total loss, with its weight."""

    method: str
    name: str | None = Field(None, description="how the term is called; the method's name unless given")
    weight: ScheduleSpec = 1.0
    temperature: ScheduleSpec = 4.0
    layers: Literal["entropy", "inverse_entropy", "uniform"] | tuple[float, ...] | None = Field(
        None, description="how the teacher's layers share: by entropy (sharply or gently), alike, or by given weights"
    )
    from_epoch: int = Field(1, ge=1, description="the term counts from this epoch on (1-based)")
    to_epoch: int | None = Field(None, ge=1, description="the last epoch in which the term counts")
    adapt: Adapt | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def label(self) -> str:
        return self.name or self.method

    def counts_in(self, epoch: int) -> bool:
        """Whether the term counts in an epoch (1-based)."""
        return self.from_epoch <= epoch and (self.to_epoch is None or epoch <= self.to_epoch)


class OptimizerRecipe(_Part):
    name: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    momentum: Fraction = 0.9
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")


class LearningRate(_Part):
    """The learning rate's course, as a factor on the optimizer's: a shape, and a linear warm-up before it."""

    shape: Literal["constant", "linear", "cosine"] | dict[str, Any] = "cosine"
    warmup_epochs: float = Field(0, ge=0)

    @field_validator("shape")
    @classmethod
    def _known(cls, shape: Any) -> Any:
        return _schedule(shape) if isinstance(shape, dict) else shape

    def schedule(self, epochs: int) -> schedules.Schedule:
        spec = {"constant": 1.0, "linear": {"linear": [1, 0]}, "cosine": {"cosine": [1, 0]}}
        after = schedules.parse(spec[self.shape] if isinstance(self.shape, str) else self.shape, epochs)
        return schedules.Warmup(after, self.warmup_epochs / epochs) if self.warmup_epochs else after


class Probes(_Part):
    """Pinned images whose maps are stored during training."""

    images: int = Field(4, ge=0, le=32, description="how many test images are pinned")
    per_epoch: float = Field(2, gt=0, description="how often, while the budget lasts")
    budget: Fraction = Field(0.02, description="largest share of the run's time")


class Recipe(_Part):
    """Everything that decides a run."""

    name: str = Field("untitled", min_length=1, max_length=80)
    note: str = ""
    data: DataRecipe = DataRecipe()
    teacher: TeacherRecipe | None = None
    student: ModelRecipe
    twin: bool | TwinRecipe = False
    terms: tuple[Term, ...] = (Term(method="ce"),)
    weighting: Literal["fixed", "gradients", "uncertainty"] = Field(
        "fixed", description="how terms share: as their weights say, by equal pull on the student, or learned"
    )
    optimizer: OptimizerRecipe = OptimizerRecipe()
    lr: LearningRate = LearningRate()
    epochs: int = Field(10, ge=1, le=10_000)
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = (0,)
    precision: Literal["exact", "fast"] = Field(
        "exact", description="float32 throughout, or bfloat16 where the device is quick at it"
    )
    probes: Probes = Probes()
    checkpoint_every: float = Field(1, gt=0, description="epochs between checkpoints")

    @field_validator("precision", mode="before")
    @classmethod
    def _as_it_was_called(cls, value: Any) -> Any:
        """Recipes of earlier versions named the types."""
        return {"fp32": "exact", "bf16": "fast"}.get(value, value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _terms_make_sense(self) -> "Recipe":
        if not self.terms:
            raise ValueError("`terms` is empty: a run needs at least one, for example {method: ce}")
        labels = [term.label for term in self.terms]
        if twice := sorted({label for label in labels if labels.count(label) > 1}):
            raise ValueError(f"two terms are called {twice[0]!r}: give one of them a `name` of its own")
        for place, term in enumerate(self.terms):
            if (lowest := schedules.lowest(term.weight, self.epochs)) < 0:
                raise ValueError(f"`terms.{place}.weight` goes down to {lowest:g}; 0 is the least")
            if (lowest := schedules.lowest(term.temperature, self.epochs)) <= 0:
                raise ValueError(f"`terms.{place}.temperature` goes down to {lowest:g}; it must stay above 0")
        self._epochs_make_sense()
        self._adapting_makes_sense()
        if self.lr.warmup_epochs >= self.epochs:
            raise ValueError(
                f"`lr.warmup_epochs` ({self.lr.warmup_epochs:g}) must be less than `epochs` ({self.epochs})"
            )
        if not self.seeds:
            raise ValueError("`seeds` is empty: a run needs at least one, for example [0]")
        return self

    def _epochs_make_sense(self) -> None:
        for place, term in enumerate(self.terms):
            if term.from_epoch > self.epochs:
                raise ValueError(
                    f"`terms.{place}.from_epoch` is {term.from_epoch}, but the run has {self.epochs} epochs: "
                    f"{term.label!r} would never count"
                )
            if term.to_epoch is not None and term.to_epoch < term.from_epoch:
                raise ValueError(
                    f"`terms.{place}.to_epoch` ({term.to_epoch}) is before its `from_epoch` ({term.from_epoch}): "
                    f"{term.label!r} would never count"
                )
        for epoch in range(1, self.epochs + 1):
            if not any(term.counts_in(epoch) for term in self.terms):
                raise ValueError(
                    f"no term counts in epoch {epoch}: let one of `terms` begin earlier (from_epoch) or end later (to_epoch)"
                )

    def _adapting_makes_sense(self) -> None:
        for place, term in enumerate(self.terms):
            if term.adapt is None:
                continue
            if not self.data.validation:
                raise ValueError(
                    f"`terms.{place}.adapt` watches a loss on held-out training images, and none are held out: "
                    "set data.validation, for example to 0.1"
                )
            labels, watched = [term.label for term in self.terms], self.watched(term.adapt)
            if watched not in labels:
                raise ValueError(
                    f"`terms.{place}.adapt` watches {watched!r}, which is no term of this recipe: "
                    f"set `watch` to one of {', '.join(labels)}"
                )

    def watched(self, adapt: Adapt) -> str:
        """The term whose loss decides when a weight falls: the `kd` term unless said otherwise."""
        named = [term.label for term in self.terms if term.method == "kd"]
        return adapt.watch or (named[0] if named else "kd")

    @property
    def kept_views(self) -> int:
        """In how many fixed augmentations the training images come, one an epoch in turn; 0: in ever new ones. Without
        augmentation there is but one."""
        wanted = self.teacher.cache_views if self.teacher else 0
        return wanted if self.data.augment else min(wanted, 1)

    def to_yaml(self) -> str:
        """The recipe without what is left at its default, in the order of the fields."""
        return yaml.safe_dump(
            self.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True, width=110
        )


class RecipeError(ValueError):
    """A recipe that cannot be used; the message says which key, why, and what would do."""


def from_yaml(text: str, *, source: str = "the recipe") -> Recipe:
    """Read a recipe.

    Raises:
        RecipeError: not YAML, an unknown key (with the nearest known one), a value out of range.
    """
    try:
        plain = yaml.load(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise RecipeError(f"{source} is not valid YAML: {error}") from None
    return from_plain(plain, source=source)


def from_plain(plain: Any, *, source: str = "the recipe") -> Recipe:
    """Like `from_yaml`, for plain Python data."""
    if not isinstance(plain, dict):
        raise RecipeError(
            f"{source} should be a mapping with keys such as data, teacher, student and terms, not {plain!r}."
        )
    return validated(Recipe, plain, source)


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


def load(path: str | Path) -> Recipe:
    """Read a recipe file. Raises RecipeError, also where there is no such file."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"Cannot read the recipe {path}: {error.strerror}.") from None
    return from_yaml(text, source=str(path))


def with_overrides(recipe: Recipe, overrides: list[str]) -> Recipe:
    """A copy with dotted settings changed, as in `epochs=3` or `data.labels=500` or `terms.0.weight=0.5`.

    Raises:
        RecipeError: the key is unknown or the value does not fit.
    """
    values = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise RecipeError(f"{override!r} is not KEY=VALUE, for example data.labels=500.")
        try:
            values[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise RecipeError(f"The value of {override!r} is not valid YAML: {error}") from None
    return with_values(recipe, values, source="the recipe with " + ", ".join(overrides))


def with_values(recipe: Recipe, values: dict[str, Any], *, source: str = "the recipe") -> Recipe:
    """Like `with_overrides`, for plain data: `{"epochs": 3, "terms.0.weight": 0.5}`. A value may be a whole section."""
    plain = recipe.model_dump(mode="json")
    for key, value in values.items():
        *parents, last = key.split(".")
        place: Any = plain
        try:
            for parent in parents:
                place = place[int(parent)] if isinstance(place, list) else place[parent]
            if not isinstance(place, (dict, list)):
                raise KeyError(last)
            place[int(last) if isinstance(place, list) else last] = value  # type: ignore[index]
        except (KeyError, IndexError, ValueError, TypeError):
            raise RecipeError(f"{key!r} is not a setting of this recipe; it has {', '.join(plain)}.") from None
    return from_plain(plain, source=source)


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
