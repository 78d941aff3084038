"""The optional libraries of an export, imported where they are used; a missing one is a sentence with the command that installs it."""

import importlib
from typing import Any

from kdcore.errors import UserError

INSTALL = "pip install onnx onnxruntime onnxscript"


def needed(name: str) -> Any:
    """An installed library. Raises UserError where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UserError(
            f"The package {name.partition('.')[0]}, which exports to ONNX need, is not installed here. Install it: {INSTALL}"
        ) from None
