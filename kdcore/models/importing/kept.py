"""Imported weights in the data folder: added from uploads and files of the server, and removed."""

import os
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from kdcore import paths
from kdcore.errors import UserError, clipped, visible
from kdcore.files import atomic, budget, disk
from kdcore.models.importing import hub_folder
from kdcore.models.importing.isolated import Imported, import_weights
from kdcore.recipe.imported_weights import Kept, folder, listing
from kdcore.recipe.references import PICKLES, SAFETENSORS

VARIABLE, MOST_GB = "KD_IMPORTED_GB", 20.0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
MOST_FILES = 4  # of one import

_one = threading.Lock()  # an import may need gigabytes of memory, so they do not run side by side


def add_upload(files: Mapping[str, bytes], **given: Any) -> tuple[Kept, Imported]:
    """Import uploaded files: one with weights, or several of which a later one updates an earlier, and a config.json beside them.

    Args:
        files: name -> content.
        given: model, classes and image_size, where the files do not say them; see `isolated.import_weights`.

    Raises:
        NotGiven, UserError: as `isolated.import_weights`; or there is no room.
    """
    named = {_plain(name): content for name, content in files.items()}
    weights = [name for name in named if name != hub_folder.CONFIG]
    if not weights:
        raise UserError(f"There are no weights among the files. They end in {SAFETENSORS} or {', '.join(PICKLES)}.")
    if len(named) > MOST_FILES:
        raise UserError(f"{len(named)} files are more than the {MOST_FILES} that one import takes.")
    _check_room(sum(map(len, named.values())), copies=2)
    with disk.in_words(folder(), then="import it again"):
        folder().mkdir(parents=True, exist_ok=True)
        with atomic.staging(folder() / "upload") as staging:
            for name, content in named.items():
                (staging / name).write_bytes(content)
            of_one = len(weights) == 1 or bool(hub_folder.parts([Path(name) for name in weights]))
            whole = hub_folder.CONFIG in named and of_one
            sources = [staging] if whole else [staging / name for name in weights]
            return _imported(sources, _stem(weights[-1]), staging, given)


def add_file(path: str, **given: Any) -> tuple[Kept, Imported]:
    """Import a file of the server, or a folder in the hub's layout.

    Raises:
        NotAllowed: it is outside the folders that this server may read.
        NotGiven, UserError: as `isolated.import_weights`; or there is no room.
    """
    if not path.strip():
        raise UserError("There is no path. Give that of a file with weights, or of a folder in the hub's layout.")
    source = paths.allowed(paths.given(paths.expanded(path.strip())).absolute())
    if not os.path.exists(source):
        raise UserError(f"There is no file or folder {clipped(visible(str(source)))}.")
    try:
        for each in source.iterdir() if source.is_dir() else ():
            paths.allowed(each)
    except OSError as error:
        raise UserError(f"{clipped(visible(str(source)))} cannot be read: {error.strerror or error}.") from None
    _check_room(budget.size(source), copies=1)
    with disk.in_words(folder(), then="import it again"):
        folder().mkdir(parents=True, exist_ok=True)
        return _imported([source], _stem(source.name), source.parent, given)


def remove(name: str) -> None:
    """Remove an imported file. Runs that used it keep their results; their recipes lack these weights from then on."""
    if not NAME.fullmatch(name) or not (file := folder() / f"{name}{SAFETENSORS}").is_file():
        raise UserError(f"There are no imported weights {visible(name[:80])}: another window may have removed them.")
    file.unlink()


def _imported(sources: Sequence[Path], stem: str, hidden: Path, given: Mapping[str, Any]) -> tuple[Kept, Imported]:
    """hidden: the folder whose path is left out of messages."""
    if not _one.acquire(blocking=False):
        raise UserError("Other weights are being imported now. Try again when that import has ended.")
    try:
        with atomic.staging(folder() / stem) as staging:
            written = staging / f"{stem}{SAFETENSORS}"
            imported = import_weights(sources, written, **given)
            target = atomic.take_free_name(written, _names(stem))
    except UserError as error:
        if hidden != hidden.parent:  # not the root, whose path is in every other
            error.args = (str(error).replace(f"{hidden}/", "").replace(str(hidden), "the folder"),)
        raise
    finally:
        _one.release()
    return next(each for each in listing() if each.name == target.stem), imported


def _names(stem: str) -> list[Path]:
    """Names for a file, with a number where others have those before."""
    return [folder() / f"{name}{SAFETENSORS}" for name in (stem, *(f"{stem}-{number}" for number in range(2, 10_000)))]


def _check_room(size: int, copies: int) -> None:
    budget.check_room(
        folder(), size * copies, held=budget.total(folder()), most=budget.limit(VARIABLE, MOST_GB), variable=VARIABLE,
        what="Imported weights",
    )  # fmt: skip


def _plain(name: str) -> str:
    """A file's name without its folder, in characters that every file system takes."""
    last = PurePath(name.replace("\\", "/")).name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).lstrip(".-")[-100:] or "weights"


def _stem(name: str) -> str:
    """`model_best.pth.tar` -> `model_best`."""
    stem = _plain(name)
    while PurePath(stem).suffix.lower() in (SAFETENSORS, *PICKLES):
        stem = stem[: -len(PurePath(stem).suffix)]
    return stem[:60].rstrip(".") or "weights"
