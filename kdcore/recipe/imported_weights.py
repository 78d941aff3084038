"""Imported weight files in the data folder, by the references under which recipes use them; from their headers alone."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from kdcore import paths
from kdcore.errors import UserError
from kdcore.recipe import weight_header
from kdcore.recipe.references import SAFETENSORS

FOLDER = "own"  # in `weights/` of the data folder; a reference begins with it


@dataclass(frozen=True)
class Kept:
    """An imported file.

    reference: as in a recipe, `own/NAME.safetensors`. name: the file's, without its ending.
    described: model, classes, image_size, mean, std, as its header has them; classes are missing without a classifier.
    size: bytes. version: differs where the file does.
    """

    reference: str
    name: str
    described: dict[str, Any]
    size: int
    version: str = ""


def folder() -> Path:
    return paths.weights_folder() / FOLDER


def listing() -> list[Kept]:
    """The imported files by name; those whose header cannot be read are left out."""
    found = []
    for path in sorted(folder().glob(f"*{SAFETENSORS}"), key=lambda path: path.stem):
        try:
            status = path.stat()
            described = _described(path, status.st_size, status.st_mtime_ns)
        except (OSError, UserError):
            continue
        if "model" in described:
            found.append(
                Kept(
                    f"{FOLDER}/{path.name}",
                    path.stem,
                    described,
                    status.st_size,
                    f"{status.st_size}-{status.st_mtime_ns}",
                )
            )
    return found


@lru_cache(maxsize=512)
def _described(path: Path, size: int, written: int) -> dict[str, Any]:
    return weight_header.description(path)
