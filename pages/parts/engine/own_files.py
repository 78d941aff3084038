"""Weights and images that the operator brings: imported or unpacked into the data folder, and used by their names there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

from kdcore.recipe import DataRecipe
from kdcore.recipe import imported_weights as imported
from pages.parts.engine.guards import operators

if TYPE_CHECKING:
    from kdcore.data.folders.unpacking import Unpacked
    from kdcore.models.importing.isolated import Imported
    from kdcore.recipe.imported_weights import Kept


@operators("import weights")
def import_weights(
    files: Mapping[str, bytes], path: str, *, model: str | None = None, classes: Sequence[str] | None = None
) -> tuple[Kept, Imported]:
    """Import uploaded files, or where there are none, a file or folder of this server. Takes seconds.

    Raises:
        kdcore.models.importing.NotGiven: the network or its classes are not named in the files.
        UserError: NotAllowed for a path outside the allowed folders; no weights, other tensors than the network's, no room.
    """
    from kdcore.models.importing import kept

    given = {"model": model, "classes": classes}
    return kept.add_upload(files, **given) if files else kept.add_file(path, **given)


@operators("see imported weights")
def imported_weights() -> list[Kept]:
    """The imported files by name."""
    return imported.listing()


@operators("remove imported weights")
def remove_weights(name: str) -> None:
    """Remove an imported file. Raises UserError where there is none of this name."""
    from kdcore.models.importing import kept

    kept.remove(name)


@operators("unpack images on this server")
def unpack_images(file: BinaryIO, name: str) -> Unpacked:
    """Unpack a zip file of class folders into the data folder. Raises UserError."""
    from kdcore.data.folders import unpacking

    return unpacking.unpack(file, name)


@operators("read the classes of data on this server")
def class_names(data: DataRecipe) -> tuple[str, ...]:
    """The classes of a dataset or an own folder, in the order of a network's outputs. Raises UserError."""
    from kdcore.data import datasets

    return data.only or datasets.of(data).classes
