"""Unpacks a zip file of images into a folder of the data folder: class folders and images alone, within limits."""

import contextlib
import re
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from kdcore import paths
from kdcore.data.folders import listing, names, walking, zip_names
from kdcore.data.folders.walking import FEW, HIDDEN_FILES, HIDDEN_FOLDERS, ODD, OTHER, LeftOut
from kdcore.errors import UserError, clipped, visible
from kdcore.files import atomic, budget, disk
from kdcore.photos.decoding import plain_name

FOLDER = "folders"  # in the data folder
VARIABLE, MOST_GB = "KD_FOLDERS_GB", 50.0
MOST_ENTRIES = 500_000
MOST_FOLDERS = 100_000  # classes, times train and test, and folders within
BLOCK = 4096  # bytes of the disk that a file takes at least, and a folder
MOST_OF_ONE = 100 << 20  # bytes of an image
MOST_RATIO = 200  # of a compressed entry's size, and of all together; drawings as BMP reach 100
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may take gigabytes of memory to unpack
CHUNK = 1 << 20
DEEPEST, LONGEST = 20, 200  # folders in each other, bytes of a name
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError)  # the last of an entry that begins before the file
DAMAGED = "files that are damaged in the zip file"
LINKS = "links"
LARGE = f"files of more than {MOST_OF_ONE >> 20} MiB"
LONG = f"names of more than {LONGEST} bytes, or in more than {DEEPEST} folders"
CONTROL = "names with control characters"
TWICE = "second files of one name"
LAYOUT = "It should hold one folder of images for each class, or train/ and test/ with such folders in them."


@dataclass(frozen=True)
class Unpacked:
    """folder: where the images are. images: their number. left_out: entries that were not unpacked, by reason."""

    folder: Path
    images: int
    left_out: tuple[LeftOut, ...]


@dataclass
class _Sorted:
    """The entries of a zip file by their place in the folder, its empty folders, and what is left out."""

    kept: dict[str, zipfile.ZipInfo] = field(default_factory=dict)
    empty: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def leave_out(self, reason: str, name: str) -> None:
        self.counts[reason] += 1
        if len(known := self.examples.setdefault(reason, [])) < FEW:
            known.append(visible(clipped(name, 100)))

    def left_out(self) -> tuple[LeftOut, ...]:
        return tuple(
            LeftOut(reason, self.counts[reason], tuple(self.examples[reason])) for reason in sorted(self.counts)
        )


def folder() -> Path:
    return paths.data_folder() / FOLDER


def unpack(file: BinaryIO | Path, name: str) -> Unpacked:
    """Unpack the images of a zip file into a new folder, named as the file.

    Args:
        name: of the file, as the user knows it.

    Raises:
        UserError: no zip file, an incomplete or encrypted one, one with entries that lead out of it or unpack to far more than
            they are, a full disk, or no class folders with images. No files stay then.
    """
    shown = plain_name(name)
    try:
        with zipfile.ZipFile(file) as zipped, disk.in_words(folder(), then="unpack it again"):
            found = _sorted(zipped, shown)
            folder().mkdir(parents=True, exist_ok=True)
            atomic.sweep(folder())
            names = _names(shown)
            with atomic.staging(names[0]) as temporary:
                for place in list(found.kept):
                    _take(zipped, place, found, temporary)
                _make_empty(found.empty, temporary)
                _check_images(found, shown)
                target = atomic.take_free_name(temporary, names)
    except UserError:
        raise
    except (*BROKEN, NotImplementedError, RuntimeError) as error:
        raise UserError(
            f"{shown} is no zip file, or an incomplete one ({clipped(visible(str(error)), 80)}). Copy or make it again, as a ZIP."
        ) from None
    _check_layout(target, shown, found)
    return Unpacked(target, len(found.kept), found.left_out())


def _check_layout(target: Path, shown: str, found: _Sorted) -> None:
    """Refuse what is no folder of images, and remove it. Raises UserError."""
    fine = False
    try:
        listing.listed(target).check_images()
        fine = True
    except UserError as error:
        unread = names.not_read(name.rpartition("/")[2] for some in found.examples.values() for name in some)
        reason = str(error).replace(f"{target}/", "").replace(str(target), shown)
        left = "" if unread else walking.in_words(found.left_out())
        raise UserError(f"{reason} {unread}".strip() + left) from None
    finally:
        if not fine:
            shutil.rmtree(target, ignore_errors=True)


def _sorted(zipped: zipfile.ZipFile, shown: str) -> _Sorted:
    """What is unpacked, by its place, from the list of entries alone."""
    entries = zipped.infolist()
    if len(entries) > MOST_ENTRIES:
        raise UserError(
            f"{shown} has {len(entries):,} entries; {MOST_ENTRIES:,} are the most. Split it into several folders."
        )
    found = _Sorted()
    files: list[str] = []
    without_slash = not any("/" in entry.filename for entry in entries)
    for entry in entries:
        parts, is_folder = zip_names.parts(entry, shown, backslashes=without_slash)
        if parts and not is_folder:
            files.append("/".join(parts))
            _sort(entry, parts, found, shown)
        elif parts and _is_plain(parts):
            found.empty.add("/".join(parts))
    around = _folders(files)
    found.empty -= around
    for place in [place for place in found.kept if place in around]:  # a file that is called as a folder is
        del found.kept[place]
        found.leave_out(TWICE, place)
    _check_images(found, shown)
    _check_size(found, zipped.start_dir, shown)
    found.kept, outer = _without_outer(found.kept)
    found.empty = {place.removeprefix(outer) for place in found.empty if place.startswith(outer)}
    return found


def _is_plain(parts: Sequence[str]) -> bool:
    """Whether a folder has a place that would be read."""
    hidden = any(names.skipped_folder(part) for part in parts)
    return not hidden and not _is_long([*parts, ""]) and "".join(parts).isprintable()


def _is_long(parts: Sequence[str]) -> bool:
    return len(parts) > DEEPEST or any(len(part.encode(errors="replace")) > LONGEST for part in parts)


def _sort(entry: zipfile.ZipInfo, parts: Sequence[str], found: _Sorted, shown: str) -> None:
    place, name = "/".join(parts), parts[-1]
    kind = stat.S_IFMT(entry.external_attr >> 16)
    ending = names.ending(name)
    if kind == stat.S_IFLNK:
        found.leave_out(LINKS, place)
    elif kind not in (0, stat.S_IFREG):
        found.leave_out(ODD, place)
    elif any(names.skipped_folder(part) for part in parts[:-1]):
        found.leave_out(HIDDEN_FOLDERS, place)
    elif names.skipped_file(name):
        found.leave_out(HIDDEN_FILES, place)
    elif not names.is_image(name) and ending:
        found.leave_out(OTHER.format(ending), place)
    elif _is_long(parts):
        found.leave_out(LONG, place)
    elif not place.isprintable():
        found.leave_out(CONTROL, place)
    elif entry.file_size > MOST_OF_ONE:
        found.leave_out(LARGE, place)
    elif place in found.kept:
        found.leave_out(TWICE, place)
    else:
        _check_entry(entry, shown)
        found.kept[place] = entry


def _check_entry(entry: zipfile.ZipInfo, shown: str) -> None:
    name = clipped(ascii(entry.filename), 80)
    if entry.flag_bits & 1:
        raise UserError(f"{shown} is encrypted ({name}). Make it again without a password.")
    if entry.compress_type not in METHODS:
        raise UserError(f"{shown} is compressed in a way that is not read ({name}). Make it again as an ordinary ZIP.")
    if entry.file_size > MOST_RATIO * max(entry.compress_size, CHUNK):
        raise UserError(f"{shown} would unpack {name} to {entry.file_size:,} bytes. Nothing was unpacked.")


def _check_images(found: _Sorted, shown: str) -> None:
    if not found.kept:
        raise UserError(f"{shown} has no images. {LAYOUT}{walking.in_words(found.left_out())}")


def _check_size(found: _Sorted, packed: int, shown: str) -> None:
    """packed: bytes of the file that hold entries. Entries that share them would be far larger together."""
    size = sum(entry.file_size for entry in found.kept.values())
    if size > MOST_RATIO * max(packed, CHUNK):
        raise UserError(f"{shown} would unpack {packed:,} bytes to {size:,}. Nothing was unpacked.")
    folders = _folders([*found.kept, *(f"{place}/" for place in found.empty)])
    if len(folders) > MOST_FOLDERS:
        raise UserError(f"{shown} has more than {MOST_FOLDERS:,} folders. Nothing was unpacked. {LAYOUT}")
    blocks = BLOCK * (len(folders) + sum(-(-entry.file_size // BLOCK) for entry in found.kept.values()))
    budget.check_room(
        folder(), blocks, held=budget.total(folder()), most=budget.limit(VARIABLE, MOST_GB), variable=VARIABLE,
        what="Unpacked folders",
    )  # fmt: skip


def _folders(places: Iterable[str]) -> set[str]:
    """The folders that hold the places, and those around them; not all, where there are too many."""
    found: set[str] = set()
    for place in places:
        inner = place.rpartition("/")[0]
        while inner and inner not in found and len(found) <= MOST_FOLDERS:
            found.add(inner)
            inner = inner.rpartition("/")[0]
    return found


def _without_outer(kept: dict[str, zipfile.ZipInfo]) -> tuple[dict[str, zipfile.ZipInfo], str]:
    """`birds/cat/1.jpg` -> `cat/1.jpg`, where all lie in one folder that holds the class folders; and that folder, `birds/`."""
    removed = ""
    while True:
        outer = {place.partition("/")[0] for place in kept}
        inside = {place.partition("/")[2]: entry for place, entry in kept.items()}
        if len(outer) != 1 or any("/" not in place for place in inside) or names.split(next(iter(outer))):
            return kept, removed
        kept, removed = inside, f"{removed}{next(iter(outer))}/"


def _make_empty(places: Iterable[str], to: Path) -> None:
    """Empty folders, such as that of a class without images, so that they are named as in a folder that was not packed."""
    for place in places:
        with contextlib.suppress(FileExistsError, NotADirectoryError):  # where case does not count
            (to / place).mkdir(parents=True, exist_ok=True)


def _take(zipped: zipfile.ZipFile, place: str, found: _Sorted, to: Path) -> None:
    """Unpack one entry, never more of it than the list says; leave it out where it is damaged."""
    path = to / place
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipped.open(found.kept[place]) as source, path.open("xb") as target:
            while chunk := source.read(CHUNK):
                target.write(chunk)
        return
    except BROKEN:
        path.unlink(missing_ok=True)
        reason = DAMAGED
    except (
        FileExistsError,
        NotADirectoryError,
        IsADirectoryError,
    ):  # where case does not count, or a file's name is a folder's
        reason = TWICE
    del found.kept[place]
    found.leave_out(reason, place)


def _names(shown: str) -> list[Path]:
    """Names for a folder after that of the file, with a number where others have those before."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(shown).stem)[:60].strip("-") or "images"
    tried = [stem, *(f"{stem}-{number}" for number in range(2, 10_000))]
    return [folder() / name for name in tried]
