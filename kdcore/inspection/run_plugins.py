"""Plugins of runs: which ones a recipe uses, recorded with the run, and which of the recorded ones are missing now"""

from collections.abc import Iterable, Iterator
from typing import Any

from kdcore import methods, models, plugins
from kdcore.data import datasets, perturbations
from kdcore.errors import UserError, clipped
from kdcore.paths import portable
from kdcore.recipe import Recipe

NAMES = {
    "method": methods.names, "dataset": datasets.names, "test set": perturbations.names, "network": models.names,
}  # fmt: skip
MOST = 50  # parts of a record that are looked at


def used(recipe: Recipe, networks: Iterable[str] = ()) -> dict[str, dict[str, str]]:
    """The plugins that a run of a recipe uses: kind and name -> file and checksum, such as `method margin`.

    Args:
        networks: the names of its networks, where the recipe gives weights alone.
    """
    found = {}
    for kind, name in dict.fromkeys((*_named(recipe), *(("network", each) for each in networks))):
        if plugin := plugins.parts(kind).get(name):
            found[f"{kind} {name}"] = {"file": portable(plugin.where), "sha256": plugin.sha256}
    return found


def missing(recorded: object) -> str:
    """What a run's record names and is not there now, and how to load it, as a sentence; empty where nothing is missing.

    What was edited by hand is left out.
    """
    found = [(kind, name, where) for kind, name, where in _read(recorded) if name not in NAMES[kind]()]
    if not found:
        return ""
    *most, last = [f"the {kind} {name!r}" for kind, name, _ in found]
    what = f"{', '.join(most)} and {last}" if most else last
    return f"The run uses plugins that are not loaded: {what}. {_remedy([where for _, _, where in found])}"


def check(recorded: object) -> None:
    """Refuse to go on with a run whose plugins are not there. Raises UserError."""
    if sentence := missing(recorded):
        raise UserError(sentence)


def _named(recipe: Recipe) -> Iterator[tuple[str, str]]:
    yield from (("method", term.method) for term in recipe.terms)
    yield "dataset", recipe.data.name
    yield from (("network", spec.model) for spec in (recipe.teacher, recipe.student) if spec and spec.model)
    yield from (("test set", each.partition("@")[0]) for each in recipe.robustness.sets)


def _read(recorded: object) -> Iterator[tuple[str, str, str]]:
    """Kind, name and place of each part of a record, which may be of another version or edited by hand."""
    found: dict[Any, Any] = recorded if isinstance(recorded, dict) else {}
    for key, plugin in list(found.items())[:MOST]:
        kind, _, name = str(key).rpartition(" ")
        if kind in NAMES and isinstance(plugin, dict) and isinstance(plugin.get("file"), str):
            yield kind, clipped(name, 80), clipped(plugin["file"])


def _remedy(places: list[str]) -> str:
    packages = dict.fromkeys(each.partition(" (")[0] for each in places if each.endswith(")"))
    files = dict.fromkeys(each for each in places if not each.endswith(")"))
    steps = [f"install {' and '.join(packages)}"] if packages else []
    steps += [f"start with {' '.join(f'--plugin {each}' for each in files)}, or these in KD_PLUGINS"] if files else []
    return f"To load them, {' and '.join(steps)} (docs/plugins.md)."
