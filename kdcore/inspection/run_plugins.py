"""Plugins of runs: which ones a recipe uses, recorded with the run, and which of the recorded ones are missing now"""

from collections.abc import Iterable, Iterator
from pathlib import Path
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


def missing(recorded: object) -> tuple[str, ...]:
    """A sentence for each plugin of a run's record that is not there now. What was edited by hand is left out."""
    return tuple(
        f"The run uses the {kind} {name!r} of the plugin {where}, which is not loaded: {_remedy(where)}"
        for kind, name, where in _read(recorded)
        if name not in NAMES[kind]()
    )


def check(recorded: object) -> None:
    """Refuse to go on with a run whose plugins are not there. Raises UserError."""
    if sentences := missing(recorded):
        raise UserError(sentences[0])


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


def _remedy(where: str) -> str:
    if where.endswith(".py"):
        return f"start with --plugin {where}, or KD_PLUGINS={Path(where).parent} (docs/plugins.md)."
    return f"install {where.partition(' (')[0]} (docs/plugins.md)."
