"""A study: variants of one recipe, each with several seeds; as plain data, YAML in and out.

Its points are variants times seeds. Each point is a recipe, so any setting of a recipe can be varied.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from kdcore import recipe as recipes
from kdcore.errors import UserError, appearance, clipped, shortened
from kdcore.paths import ASSETS
from kdcore.recipe import Recipe, RecipeError, library, yaml_text
from kdcore.recipe.base import UNTITLED, Section, Seeds, check_seeds, name_of
from kdcore.recipe.trials import Range, Trials, drawn, ends, number_or
from kdcore.recipe.yaml_text import Lines

MOST_POINTS = 500
Value = Annotated[Any, BeforeValidator(number_or)]
Values = Annotated[
    Annotated[tuple[Value, ...], Tag("list")] | Annotated[Range, Tag("range")],
    Discriminator(lambda value: "range" if isinstance(value, (dict, Range)) else "list"),
]
SetName = Annotated[str, Field(max_length=80)]
OWN = ("name", "note", "seeds")  # settings of a recipe that the study decides


class TestSets(Section):
    """The perturbed test sets on which all networks are evaluated when the runs have ended."""

    __test__ = False  # no test, whatever pytest makes of the name

    sets: Literal["quick", "usual", "full", "corruptions"] | Annotated[tuple[SetName, ...], Field(max_length=500)] = (
        Field(
            "usual",
            description="`quick`: a set of each kind; `usual`: every set at its usual strength; `full`: at all strengths; "
            "`corruptions`: these alone; or sets with a strength, such as patch_scramble@4",
        )
    )
    images: int | None = Field(
        None, ge=50, le=10_000, description="number of test images; by default all, up to 10,000"
    )


class Study(Section):
    """Either `vary` or `variants`; with neither, one recipe over its seeds. With `trials`, `variants` are drawn from `vary`."""

    name: Annotated[str, AfterValidator(name_of)] = Field(UNTITLED, min_length=1, max_length=60)
    note: str = Field("", max_length=20_000)
    recipe: str | dict[str, Any] = Field(description="a bundled recipe's name, a file, or the recipe itself")
    vary: dict[str, Values] = Field({}, description="setting -> its values; every combination is a variant")
    trials: Trials | None = Field(
        None, description="draw variants from `vary`, whose values may be ranges, instead of all"
    )
    variants: dict[str, dict[str, Any]] = Field({}, description="label -> the settings in which it differs")
    seeds: Seeds = (0, 1, 2)
    test_sets: TestSets | None = None

    @field_validator("vary")
    @classmethod
    def _settings_have_values(cls, vary: dict[str, Values]) -> dict[str, Values]:
        for key, values in vary.items():
            if values == ():
                raise UserError(f"gives no value for {shortened(key)}")
            _refuse_own(key)
        return vary

    @field_validator("variants")
    @classmethod
    def _own_settings_stay(cls, variants: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for settings in variants.values():
            for key in settings:
                _refuse_own(key)
        return variants

    @model_validator(mode="after")
    def _makes_sense(self) -> "Study":
        if self.vary and self.variants and not self.trials:
            raise UserError("a study has either `vary` or `variants`, not both")
        if self.trials and not self.vary:
            raise UserError("`trials` draws variants from `vary`, which is empty: give each setting values or a range")
        if not self.trials and (ranges := [key for key, values in self.vary.items() if isinstance(values, Range)]):
            raise UserError(
                f"`vary` gives a range for {shortened(ranges[0])}, which has no end of values: list some, or draw from it with "
                "`trials` (of the command `sweep`: --random 20 or --search 20)"
            )
        if not self.seeds:
            raise UserError("`seeds` is empty: a study needs at least one, and three for a meaningful interval")
        check_seeds(self.seeds)
        if self.count > MOST_POINTS:
            draw = ": draw some of them with `trials` (of the command `sweep`: --random 20)" if self.vary else ""
            runs = f"{self.count:,}" if self.count < 10**15 else "more than 10^15"
            raise UserError(f"it has {runs} runs; at most {MOST_POINTS} are allowed{draw}")
        return self

    @property
    def count(self) -> int:
        """The number of runs; of a search, at most."""
        if self.trials:
            return max(self.trials.count, len(self.variants)) * len(self.seeds)
        variants = len(self.variants) or 1
        for values in self.vary.values():
            assert not isinstance(values, Range)
            variants *= len(values)
        return variants * len(self.seeds)

    @property
    def searches(self) -> bool:
        """Whether each variant depends on the results of those before it."""
        return self.trials is not None and self.trials.by == "tpe"

    def to_yaml(self) -> str:
        return yaml_text.written(to_plain(self))


@dataclass(frozen=True)
class Point:
    """One run of a study: a variant's recipe with a single seed."""

    variant: str
    seed: int
    recipe: Recipe


def names() -> tuple[str, ...]:
    """The studies that come with the project."""
    return library.names(ASSETS / "studies")


def named(name: str) -> Study:
    """A study by its name in assets/studies, or by its path. Raises RecipeError with the names there are."""
    path = library.find(name, ASSETS / "studies", "study")
    lines: Lines = {}
    return from_plain(yaml_text.read_file(path, kind="study", lines=lines), source=f"the study {name}", lines=lines)


def from_plain(plain: Any, *, source: str = "the study", lines: Lines | None = None) -> Study:
    """Raises RecipeError: an unknown key (with the nearest known one), or a value that does not fit."""
    if not isinstance(plain, dict):
        raise RecipeError(
            f"{clipped(source)} should be a mapping with keys such as name, recipe, vary and seeds, not {shortened(plain)}."
        )
    return recipes.validated(Study, plain, source, lines)


def to_plain(study: Study) -> dict[str, Any]:
    """Without settings at their defaults."""
    return study.model_dump(mode="json", exclude_defaults=True)


def recipe_of(study: Study) -> Recipe:
    """The recipe that all variants start from."""
    if isinstance(study.recipe, str):
        return library.recipe(study.recipe)
    return recipes.from_plain(study.recipe, source=f"the recipe of the study {study.name}")


def resolved(study: Study, overrides: list[str] | None = None) -> Study:
    """The study with its recipe written out, with all settings, so that later changes of the named recipe or of a default do
    not affect it; with the variants that are drawn at random; and with files relative to the folders of data and runs, so that
    it can continue on another machine.

    Args:
        overrides: `KEY=VALUE`, as on the command line; they change the recipe before it is varied.

    Raises:
        UserError: a setting has no such value, or is the study's own, as its seeds are; or labels of variants look the same.
    """
    recipe = recipe_of(study)
    _refuse_alike(study)
    if any(each.partition("=")[0].strip() == "seeds" for each in overrides or ()):
        raise UserError("`seeds` are the study's, so --set seeds=... would change nothing. Give them as --seeds 0 1 2.")
    if overrides:
        recipe = recipes.with_overrides(recipe, overrides, option="--set")
    found = study.model_copy(update={"recipe": recipe.to_portable()})
    return found.model_copy(update={"variants": variants(found)}) if study.trials and not study.searches else found


def _refuse_alike(study: Study) -> None:
    """Refuse labels that look the same in a table. Raises RecipeError."""
    found: dict[str, str] = {}
    for label in study.variants:
        if (other := found.setdefault(appearance(label), label)) != label:
            raise RecipeError(
                f"The study {study.name} has the variants {shortened(other)} and {shortened(label)}, which look the same in a table: "
                "labels should differ in more than capitals, blanks or the form of their umlauts. Rename one of them."
            )


def variants(study: Study) -> dict[str, dict[str, Any]]:
    """Label -> the settings in which the variant differs from the recipe, in the study's order."""
    if not study.vary or study.variants or study.searches:
        return study.variants or {"as it is": {}}
    if study.trials:
        settings = drawn(study.vary, study.trials)
    else:
        settings = [dict(zip(study.vary, values, strict=True)) for values in itertools.product(*study.vary.values())]
    recipe = recipe_of(study)
    found: dict[str, dict[str, Any]] = {}
    for each in settings:
        if (label := labelled(each, recipe)) in found:
            raise RecipeError(f"The study {study.name} has the variant {shortened(label)} twice: give each value once.")
        found[label] = each
    return found


def labelled(settings: dict[str, Any], recipe: Recipe) -> str:
    """The label of a variant: its settings in words."""
    return ", ".join(f"{called(key, recipe)} {in_words(value)}" for key, value in settings.items())


def check(study: Study, refuse: Callable[[Recipe], object]) -> None:
    """Check the recipe of each variant, of a search those with all settings at their first, and at their last values.

    Args:
        refuse: raises UserError for a recipe that cannot run.

    Raises:
        RecipeError: with the variant's label.
    """
    if study.searches:
        recipe = recipe_of(study)
        both = {labelled(settings, recipe): settings for settings in ends(study.vary)}
        study = study.model_copy(update={"variants": both})
    for point in points(study):
        if point.seed == study.seeds[0]:
            try:
                refuse(point.recipe)
            except UserError as error:
                raise RecipeError(f"The variant {point.variant!r} cannot run: {error}") from None


def points(study: Study) -> list[Point]:
    """Every run of the study, variant by variant.

    Raises:
        RecipeError: a variant's settings do not exist or do not fit; the message names the variant.
    """
    recipe, found = recipe_of(study), []
    for label, settings in variants(study).items():
        varied = recipes.with_values(
            recipe, settings, source=f"The variant {shortened(label)} of the study {study.name}"
        )
        for seed in study.seeds:
            name = f"{study.name}: {label}"[:68] + f", seed {seed}"
            found.append(Point(label, seed, varied.model_copy(update={"name": name, "seeds": (seed,)})))
    return found


def _refuse_own(key: str) -> None:
    if key in OWN:
        raise UserError(f"{shortened(key)} is a setting of the study itself: put {key} beside recipe and vary")


def called(key: str, recipe: Recipe) -> str:
    """A setting in words: `kd temperature` for `terms.1.temperature`, `labels` for `data.labels`."""
    first, *rest = key.split(".")
    if first == "terms" and len(rest) > 1 and rest[0].isdecimal() and int(rest[0]) < len(recipe.terms):
        return " ".join([recipe.terms[int(rest[0])].label, *rest[1:]])
    if not rest or first in ("teacher", "student", "lr"):
        return " ".join([first, *rest])
    return " ".join(rest)


def in_words(value: Any) -> str:
    """A value as it is in labels."""
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (dict, list, tuple)):
        return yaml_text.in_a_line(value)
    return str(value)
