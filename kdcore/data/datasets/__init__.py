"""The datasets: a file each, whose name is the dataset's name in a recipe, on a page and on the command line."""

import difflib
import importlib
from collections.abc import Iterator
from typing import cast

from kdcore import plugins
from kdcore.data.datasets.base import Dataset, Obtained, Report, quiet
from kdcore.errors import UserError, shortened
from kdcore.recipe import DataRecipe, Recipe

ORDER: tuple[Obtained, ...] = ("drawn", "downloaded", "folder")
LONGEST_NAME = 80  # that is compared with the known ones


def names(*obtained: Obtained) -> tuple[str, ...]:
    """All datasets, or those obtained in one of these ways: drawn, downloaded, a user's folder; in this order, sorted."""
    known = sorted((ORDER.index(_class(name).obtained), name) for name in _files())
    return tuple(name for place, name in known if not obtained or ORDER[place] in obtained)


def get(name: str) -> type[Dataset]:
    """The class of a dataset.

    Raises:
        UserError: there is no such dataset; the message names the nearest.
    """
    if name not in _files():
        near = difflib.get_close_matches(name[:LONGEST_NAME], names(), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UserError(
            f"Unknown dataset {shortened(name)}.{hint} Known datasets: {', '.join(names())}.{plugins.hint(name)}"
        )
    return _class(name)


def of(data: DataRecipe, report: Report = quiet, *, download: bool = False) -> Dataset:
    """A recipe's dataset, with all of its classes. Reads nothing yet.

    Args:
        report: called with a sentence now and then while reading takes long.
        download: whether images may be downloaded where they are not on this machine.
    """
    return get(data.name)(data, report, download=download)


def of_views(recipe: Recipe) -> DataRecipe:
    """The recipe's data at the size in which a run reads its images and draws their views: the larger of those of teacher and
    student, from which each network resizes. Images of a dataset that has none so large are read at its own size."""
    native = get(recipe.data.name).native_size or recipe.teacher_size
    side = max(recipe.data.image_size, min(recipe.teacher_size, native))
    return recipe.data.model_copy(update={"image_size": side})


def notes(data: DataRecipe) -> tuple[str, ...]:
    """What a summary of a run should mention of its dataset's own settings; also of a run whose dataset exists no more."""
    return of(data).notes() if data.name in _files() else ()


def title(name: str) -> str:
    """A dataset's name on a page; the name itself where there is no such dataset."""
    return get(name).title if name in _files() else name


def check(data: DataRecipe) -> None:
    """Refuse a dataset that does not exist, or settings that it cannot work with. Raises UserError."""
    dataset = of(data)
    _check_own_keys(data, dataset)
    dataset.check()


def _check_own_keys(data: DataRecipe, dataset: Dataset) -> None:
    """Refuse settings that only another dataset reads, where they differ from their default."""
    for key, others in _foreign(data, dataset):
        raise UserError(
            f"`data.{key}` is {shortened(getattr(data, key))}, but only {_have(others)} this setting, and the dataset is "
            f"{data.name}: remove it, or set `data.name` to {_listed(others, 'or')}."
        )


def without_foreign(data: DataRecipe) -> tuple[DataRecipe, tuple[str, ...]]:
    """The data without settings that only another dataset reads, and a sentence for each that is left out.

    They never had an effect; runs from before they were refused may have some.
    """
    found = list(_foreign(data, get(data.name)))
    cleaned = data.model_copy(update={key: DataRecipe.model_fields[key].default for key, _ in found})
    return cleaned, tuple(
        f"`data.{key}` is left out: it is {shortened(getattr(data, key))}, but only {_have(others)} this setting, so it had no effect."
        for key, others in found
    )


def _have(names_of: list[str]) -> str:
    """`cues has`, or `folder, huggingface and shards have`."""
    return f"{_listed(names_of, 'and')} {'has' if len(names_of) == 1 else 'have'}"


def _listed(words: list[str], last: str) -> str:
    *others, end = words
    return f"{', '.join(others)} {last} {end}" if others else end


def _foreign(data: DataRecipe, dataset: Dataset | type[Dataset]) -> Iterator[tuple[str, list[str]]]:
    """The settings that differ from their default and that only other datasets read, each with their names."""
    owners: dict[str, list[str]] = {}
    for other in map(_class, _files()):
        for key in sorted(other.own_keys - dataset.own_keys):
            owners.setdefault(key, []).append(_name(other))
    for key, names_of in owners.items():
        if getattr(data, key) != DataRecipe.model_fields[key].default:
            yield key, names_of


def _name(dataset: type[Dataset]) -> str:
    return dataset.__module__.rpartition(".")[2]


def with_classes(classes: tuple[str, ...]) -> DataRecipe | None:
    """The dataset that has exactly these classes, else one that has them among others; None where there is none."""
    known = sorted(names("drawn", "downloaded"), key=lambda name: name not in own_names())  # plugins last
    whole = {name: of(DataRecipe(name=name)).classes for name in known}
    if exact := next((name for name, known in whole.items() if known == classes), None):
        return DataRecipe(name=exact)
    part = next((name for name, known in whole.items() if set(classes) <= set(known)), None)
    return DataRecipe(name=part, only=classes) if part else None


def own_names() -> list[str]:
    """The names of this project's datasets."""
    return [module.name for module in plugins.modules(__path__) if module.name != "base"]


def _files() -> list[str]:
    return [*own_names(), *plugins.names(Dataset.part_kind)]


def _class(name: str) -> type[Dataset]:
    if plugin := plugins.parts(Dataset.part_kind).get(name):
        return cast(type[Dataset], plugin.part)
    (dataset,) = plugins.held(importlib.import_module(f"{__name__}.{name}"))
    return cast(type[Dataset], dataset)
