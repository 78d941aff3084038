"""Perturbed test sets, one file each: its name is the set's name on the command line, on the page and in its test."""

import difflib
import importlib
import inspect
from typing import cast

from kdcore import plugins
from kdcore.data.perturbations.base import Clean, OwnSet, Perturbation, Perturbed
from kdcore.errors import UserError, shortened

__all__ = ["Clean", "OwnSet", "Perturbation", "Perturbed", "get", "names"]
LONGEST_NAME = 80  # that is compared with the known ones
HELPERS = (  # modules that are no sets
    "base",
    "exporting",
    "image_cache",
    "making",
    "pixels",
    "planes",
    "preview",
    "randomness",
    "resampling",
)


def names() -> tuple[str, ...]:
    """All sets, sorted: the modules here and in `corruptions`, and plugins."""
    return tuple(sorted([*own_names(), *plugins.names(Perturbation.part_kind)]))


def own_names() -> list[str]:
    """The names of this project's sets."""
    return list(_modules())


def get(name: str, **settings: float | str) -> Perturbation:
    """A new perturbation by its name.

    Args:
        settings: further parameters of the set, where it has any.

    Raises:
        UserError: there is no such set, naming the nearest; or a setting that it does not have.
    """
    if name not in names():
        near = difflib.get_close_matches(name[:LONGEST_NAME], names(), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UserError(
            f"Unknown test set {shortened(name)}.{hint} Known test sets: {', '.join(names())}.{plugins.hint(name)}"
        )
    found = _class(name)
    if unknown := sorted(settings.keys() - inspect.signature(found).parameters.keys()):
        known = ", ".join(inspect.signature(found).parameters) or "none"
        raise UserError(f"The test set {name} has no setting {shortened(unknown[0])}. Its settings: {known}.")
    return found(**settings)


def _class(name: str) -> type[Perturbation]:
    if plugin := plugins.parts(Perturbation.part_kind).get(name):
        return cast(type[Perturbation], plugin.part)
    (found,) = plugins.held(importlib.import_module(_modules()[name]))
    return cast(type[Perturbation], found)


def _modules() -> dict[str, str]:
    """The module of each set, by the set's name. Other packages in this folder hold what a set needs."""
    folders = {f"{__name__}.": __path__, f"{__name__}.corruptions.": [f"{path}/corruptions" for path in __path__]}
    return {
        module.name: prefix + module.name
        for prefix, folder in folders.items()
        for module in plugins.modules(folder)
        if not module.ispkg and module.name not in HELPERS
    }
