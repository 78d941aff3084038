"""Datasets of the package `datasets` on this machine: their image and label columns, and images by row. Its code alone reads them."""

import contextlib
import itertools
import json
import os
import re
import time
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from kdcore import paths, photos
from kdcore.data import table_labels
from kdcore.data.datasets.base import Report
from kdcore.data.folders import names, walking
from kdcore.data.folders.contents import Listing, Names, Pool
from kdcore.data.folders.items import File, Item
from kdcore.data.folders.walking import LeftOut, Stamp, stamp
from kdcore.errors import NotHere, UserError, clipped, shortened, visible
from kdcore.files import atomic, reading

MOST_FILES = 100_000  # and folders, of a saved dataset
OLDEST = 4  # version of the package: earlier ones run code of a dataset
MOST_DESCRIPTION = 64 << 20  # bytes of a json file
MISSING = "Hugging Face datasets need the package datasets: `pip install datasets`."
NO_LABEL = "images without a label"
OTHER_SPLITS = "splits that are none of train, validation and test"
_HUB = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(@[\w.-]{1,95})?")


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote a folder."""
    whole, state, info = (
        os.path.isfile(folder / name) for name in ("dataset_dict.json", "state.json", "dataset_info.json")
    )
    return whole or (state and info)  # not Path.is_file, which raises for names that no file system takes


def hub_name(text: str) -> str:
    """A text that may be a name of the hub, owner/name or owner/name@configuration; else empty."""
    return text if _HUB.fullmatch(text) and ".." not in text else ""


def folder_of(name: str) -> Path:
    """Where a dataset of the hub is stored once it was downloaded."""
    return paths.data_folder() / "huggingface" / name.replace("/", "--")


def download(name: str, folder: Path, report: Report) -> None:
    """Download a dataset of the hub, whole or not at all. Raises UserError."""
    package, (repository, _, configuration) = _package(), name.partition("@")
    report(f"Downloading {name} from the Hugging Face hub to {folder}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with atomic.staging(folder) as temporary:
            found = package.load_dataset(repository, configuration or None, cache_dir=str(temporary / "download"))
            found.save_to_disk(str(temporary / "saved"))
            os.rename(temporary / "saved", folder)
    except Exception as error:  # the library's, of a network, or of a disk
        raise UserError(
            f"There is no folder {shortened(name)}, and a dataset of that name could not be downloaded from the Hugging Face hub: "
            f"{clipped(str(error))}"
        ) from error


@dataclass(frozen=True, eq=False)
class Table:
    """A dataset that was opened. folder: absolute. splits: pool -> its rows, with encoded images. version: changes with its files."""

    folder: str
    listing: Listing
    splits: dict[str, Any]
    column: str
    version: Hashable

    def item(self, pool: Pool, row: int) -> Item:
        place = int(pool.where["row"][row])
        key = os.path.join(self.folder, pool.files[row])
        return Row(key, self, pool.folder, place)


@dataclass(frozen=True, eq=False)
class Row:
    """An image in a table."""

    key: str
    table: Table
    split: str
    row: int

    @property
    def path(self) -> Path:
        return Path(self.table.folder)

    def stamp(self) -> Hashable:
        return self.table.version

    def length(self) -> int:
        return len(self.read())

    def read(self, first: int | None = None) -> bytes:
        found = self.table.splits[self.split][self.row][self.table.column] or {}
        raw, path = found.get("bytes"), found.get("path")
        if raw is None and path and os.path.isabs(path) and "\0" not in path:
            return File(path).read(first)
        if raw is None:
            only = f", only {shortened(path)}" if path else ""
            raise photos.Unusable(f"its row has no image{only}: save the dataset with its images in it.")
        photos.check_length(len(raw), photos.OWN)
        return raw if first is None else raw[:first]


class Numbered(Names):
    """The names of rows, `train/17`, made when they are looked at."""

    def __init__(self, split: str, rows: np.ndarray) -> None:
        self.split, self.rows = split, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> str:  # type: ignore[override]
        return f"{self.split}/{self.rows[place]}"

    def places(self, wanted: Iterable[str]) -> list[int]:
        rows = [int(name.rpartition("/")[2]) for name in wanted if name.startswith(f"{self.split}/")]
        return np.flatnonzero(np.isin(self.rows, rows)).tolist()


def opened(folder: Path, hub: str) -> Table:
    """What was saved in a folder.

    Args:
        hub: the name of the dataset of the hub that should be there; empty for a user's own folder.

    Raises:
        NotAllowed: it is outside the folders that this server may read.
        NotHere: it would have to be downloaded.
        UserError: there is no such folder, it is damaged, or has no images with labels.
    """
    where = Path(os.path.abspath(paths.allowed(folder)))
    if hub and not where.exists():
        raise NotHere(
            f"The dataset {hub} is not on this machine: `python -m kdcore data {hub}` downloads it into {where}."
        )
    if not is_saved(where):
        raise UserError(
            f"{shortened(names.text(str(folder)))} is no folder that the package datasets saved (`save_to_disk`), and no name of "
            "its hub, such as uoft-cs/cifar10."
        )
    inside = sorted(itertools.islice(where.rglob("*"), MOST_FILES + 1))
    if len(inside) > MOST_FILES:
        raise UserError(
            f"{names.text(str(where))} holds more than {MOST_FILES:,} files and folders, as no dataset of the package datasets does. "
            "Choose the folder that `save_to_disk` wrote, and nothing else."
        )
    stamps = {str(file): stamp(paths.allowed(file)) for file in inside if file.is_file()}
    if odd := next((file for file in inside if file.exists() and not file.is_file() and not file.is_dir()), None):
        raise UserError(f"{names.text(str(odd))} is no plain file, so the dataset is not opened: save it again.")
    _check_inside(where, [Path(file) for file in stamps])
    return _opened(str(where), tuple(stamps.items()))


def _check_inside(folder: Path, files: Iterable[Path]) -> None:
    """Refuse a dataset whose description names files elsewhere, which its package would open. Raises UserError."""
    for file in (each for each in files if each.name in ("state.json", "dataset_dict.json")):
        try:
            found = json.loads(reading.read_whole(file, MOST_DESCRIPTION))
            parts = [*found.get("splits", ()), *(each["filename"] for each in found.get("_data_files", ()))]
            inside = all(Path(part).name == part != os.pardir for part in parts)
            empty = "_data_files" in found and not parts
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise UserError(
                f"The dataset in {names.text(str(folder))} cannot be opened: {file.name} is damaged. Save it again."
            ) from None
        if not inside:
            raise UserError(
                f"{names.text(str(file))} names files outside of its folder, which are not opened: save the dataset again."
            )
        if empty:
            raise UserError(
                f"{names.text(str(file))} names no file: a split without rows, which the package datasets cannot open. Add "
                "rows, or save the dataset without it."
            )


@lru_cache(maxsize=4)
def _opened(folder: str, stamps: tuple[tuple[str, Stamp], ...]) -> Table:
    package = _package()
    try:
        found = package.load_from_disk(folder)
    except Exception as error:  # a damaged file raises nearly everything
        raise UserError(
            f"The dataset in {names.text(folder)} cannot be opened: {clipped(str(error))}. Save it again."
        ) from error
    whole = dict(found) if hasattr(found, "items") else {"train": found}
    left = {OTHER_SPLITS: [name for name in whole if not names.split(name)]}
    splits = _by_pool(whole, folder)
    if "train" not in splits:
        raise UserError(
            f"The dataset in {names.text(folder)} has no split train, only {', '.join(whole) or 'an empty list'}."
        )
    image, label, notes = table_labels.columns(package, splits["train"].features, folder)
    for pool, rows in splits.items():
        _check_values(rows, [name for name in (image, label) if name in rows.features], folder, pool)
    written = {pool: table_labels.read(package, rows, label, folder, pool) for pool, rows in splits.items()}
    kinds = {pool: rows.features[label] for pool, rows in splits.items()}
    classes, numbers, merged = table_labels.numbered(kinds, written, folder)
    pools: dict[str, Pool] = {}
    for pool in (pool for pool in ("train", "validation", "test") if pool in splits):
        rows = np.flatnonzero(numbers[pool] >= 0)
        left.setdefault(NO_LABEL, []).extend(f"{pool}/{row}" for row in np.flatnonzero(numbers[pool] < 0))
        pools[pool] = Pool(pool, Numbered(pool, rows), numbers[pool][rows], {"row": rows})
    left_out = tuple(LeftOut(why, len(some), tuple(some[: walking.FEW])) for why, some in left.items() if some)
    listing = Listing(
        Path(folder),
        classes,
        pools,
        left_out,
        tuple(names.alike(classes)),
        (*notes, *merged),
        dict(stamps),
        time.time_ns(),
    )
    raw = {pool: _encoded(package, rows, image, folder) for pool, rows in splits.items()}
    return Table(folder, listing, raw, image, hash(stamps))


def _check_values(rows: Any, columns: list[str], folder: str, split: str) -> None:
    """Refuse damaged columns, whose values would be read from elsewhere in memory, which ends the process. Raises UserError."""
    try:
        rows.select_columns(columns).data.validate(full=True)
    except Exception as error:  # pyarrow's
        raise UserError(
            f"The {split} images in {names.text(folder)} cannot be opened, their file is damaged: {clipped(visible(str(error)))}. Copy or "
            "save the dataset again."
        ) from error


def _by_pool(whole: dict[str, Any], folder: str) -> dict[str, Any]:
    """The splits that are used. Raises UserError where two mean the same."""
    found: dict[str, str] = {}
    for name in whole:
        if (pool := names.split(name)) and (other := found.setdefault(pool, name)) != name:
            raise UserError(
                f"The dataset in {names.text(folder)} has two splits of {pool} images, {other} and {name}. Save it with one of them."
            )
    return {pool: whole[name] for pool, name in found.items()}


def _encoded(package: Any, rows: Any, image: str, folder: str) -> Any:
    """The images as they are stored, without decoding."""
    if not isinstance(rows.features.get(image), package.Image):
        raise UserError(
            f"The splits of the dataset in {names.text(folder)} have different columns: one has no images {image!r}."
        )
    return rows.select_columns([image]).with_format(None).cast_column(image, package.Image(decode=False))


def _package() -> Any:
    """The package `datasets`, quiet. Raises UserError where it is not installed."""
    try:
        import datasets
    except ImportError:
        raise UserError(MISSING) from None
    if int(datasets.__version__.partition(".")[0]) < OLDEST:
        raise UserError(
            f"The package datasets is {datasets.__version__}; {OLDEST}.0 or later is needed: `pip install -U datasets`."
        )
    with contextlib.suppress(AttributeError):
        datasets.disable_progress_bars()
    return datasets
