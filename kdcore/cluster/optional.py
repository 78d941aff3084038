"""The optional libraries of this package, and what to do where they are missing."""

import importlib
from types import ModuleType

from kdcore.errors import UserError


def load(name: str, purpose: str) -> ModuleType:
    """Import a library. Raises UserError with the command that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"{purpose} needs the package {name}, which cannot be imported here ({error}). Install it: "
            "python -m pip install -r requirements-cluster.txt"
        ) from None
