"""Perturbed test sets, one file each: its name is the set's name on the command line, on the page and in its test."""

import difflib
import importlib
import inspect
import pkgutil

from kdcore.data.perturbations.base import Clean, OwnSet, Perturbation, Perturbed
from kdcore.errors import UserError, shortened

__all__ = ["Clean", "OwnSet", "Perturbation", "Perturbed", "get", "names"]
LONGEST_NAME = 80  # that is compared with the known ones
HELPERS = ("base", "randomness")


def names() -> tuple[str, ...]:
    """All sets, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in HELPERS))


def get(name: str) -> Perturbation:
    """A new perturbation by its name.

    Raises:
        UserError: there is no such set; the message names the nearest.
    """
    if name not in names():
        near = difflib.get_close_matches(name[:LONGEST_NAME], names(), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UserError(f"Unknown test set {shortened(name)}.{hint} Known test sets: {', '.join(names())}.")
    module = importlib.import_module(f"{__name__}.{name}")
    (found,) = [
        each
        for each in vars(module).values()
        if inspect.isclass(each) and issubclass(each, Perturbation) and each.__module__ == module.__name__
    ]
    return found()
