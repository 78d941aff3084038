"""Walks through folders: each once, links included; counts what is left out, by reason."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kdcore import paths, photos
from kdcore.data.folders import names
from kdcore.errors import UserError
from kdcore.files import mounts
from kdcore.photos import kinds

Stamp = tuple[int, int]  # modification time (ns) and size

MOST_ENTRIES = 2_000_000  # of one folder of images: `/` would take minutes
MOST_OTHERS, LEAST_SHARE = 200_000, 0.01  # entries after which at least so many of them should be images
FEW = 5  # names that are given for each reason, and reasons in a message

CHOOSE = "Choose the folder that holds the class folders, and nothing else."
HIDDEN_FOLDERS = "hidden, checkpoint and system folders"
THUMBNAILS = "folders of thumbnails"
HIDDEN_FILES = "hidden and system files"
BROKEN = "links to nothing"
ODD = "pipes, sockets and devices"
NOT_ALLOWED = "links out of the folders that this server may read"
CLOSED = "folders that cannot be opened"
SYSTEM = "folders of the system, such as /proc, which hold no files"
REPEATED = "folders that were read already under another name"
NOT_IMAGES = "files without an ending whose content is not an image"
HEIC = "HEIC photos, which need the package pillow-heif (`pip install pillow-heif`)"
OTHER = "files with the ending {}"


@dataclass(frozen=True)
class LeftOut:
    """What is left out for one reason. examples: the first few names, relative to the folder."""

    reason: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        more = f" and {self.count - len(self.examples)} more" if self.count > len(self.examples) else ""
        return f"{self.reason} ({self.count:,}): {', '.join(self.examples)}{more}"


def in_words(left_out: Sequence[LeftOut]) -> str:
    """The end of a message, with what most was left out for; empty where nothing was."""
    if not left_out:
        return ""
    some = sorted(left_out, key=lambda each: -each.count)[:FEW]
    more = f"; and {len(left_out) - FEW} more reasons" if len(left_out) > FEW else ""
    return f" Left out: {'; '.join(map(str, some))}{more}."


@dataclass
class Walk:
    """Reads the folders below `root`.

    stamps: path -> modification time and size of each folder that was read; a change means that files came or went.
    linked: linked folders that were followed, relative to the root.
    """

    root: str
    stamps: dict[str, Stamp] = field(default_factory=dict)
    linked: list[str] = field(default_factory=list)
    entries: int = 0
    found: int = 0  # images
    _system: frozenset[int] = field(default_factory=mounts.system_devices)
    _left: dict[str, list[str]] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _reads_heic: bool = field(default_factory=photos.reads_heic)

    def inside(self, folder: str, *, in_class: bool = False) -> tuple[list[str], list[str]]:
        """The names of the folders and files in a folder that are read at all, sorted.

        Raises:
            OSError: it cannot be opened.
            NotAllowed: it is a link out of the folders that this server may read.
            UserError: it is of the system, or there are too many files, or hardly any images among many.
        """
        folders: list[str] = []
        files: list[str] = []
        if self._is_system(paths.allowed(Path(folder))):
            raise UserError(f"{names.text(folder)} belongs to the system and holds no files. {CHOOSE}")
        self.stamps[folder] = stamp(paths.allowed(Path(folder)))
        with os.scandir(folder) as found:
            for entry in found:
                self.entries += 1
                self._check_number()
                self._sort(entry, folders, files, in_class)
        return sorted(folders), sorted(files)

    def _is_system(self, folder: Path | os.DirEntry[str]) -> bool:
        return folder.stat().st_dev in self._system

    def _check_number(self) -> None:
        shown = names.text(self.root)
        if self.entries > MOST_ENTRIES:
            raise UserError(f"{shown} holds more than {MOST_ENTRIES:,} files and folders. {CHOOSE}")
        if self.entries % MOST_OTHERS == 0 and self.found < LEAST_SHARE * self.entries:
            raise UserError(
                f"{shown} holds more than {self.entries:,} files and folders, of which only {self.found:,} are images. {CHOOSE}"
            )

    def _sort(self, entry: os.DirEntry[str], folders: list[str], files: list[str], in_class: bool) -> None:
        name = entry.name
        if in_class and entry.is_symlink() and not paths.is_allowed(Path(entry.path)):
            self.leave_out(NOT_ALLOWED, entry.path)
        elif _leads_to(entry.is_dir):
            if names.skipped_folder(name):
                self.leave_out(HIDDEN_FOLDERS, entry.path + "/")
            elif in_class and names.thumbnail_folder(name):
                self.leave_out(THUMBNAILS, entry.path + "/")
            elif entry.is_symlink() and _leads_up(entry.path):
                self.leave_out(REPEATED, entry.path + "/")
            elif _leads_to(lambda: self._is_system(entry)):
                self.leave_out(SYSTEM, entry.path + "/")
            else:
                folders.append(name)
        elif not _leads_to(entry.is_file):
            self.leave_out(ODD if os.path.exists(entry.path) else BROKEN, entry.path)
        elif names.skipped_file(name):
            self.leave_out(HIDDEN_FILES, entry.path)
        else:
            files.append(name)

    def images(self, folder: str) -> list[str]:
        """The image files below a class folder, at any depth, sorted; each folder once, a link after what it may repeat."""
        seen: set[tuple[int, int]] = set()
        found: list[str] = []
        waiting = [folder]
        links: list[str] = []
        while waiting or links:
            here = waiting.pop() if waiting else links.pop(0)
            try:
                status = os.stat(here)
                if (status.st_dev, status.st_ino) in seen:
                    self.leave_out(REPEATED, here + "/")
                    continue
                seen.add((status.st_dev, status.st_ino))
                inner, files = self.inside(here, in_class=True)
            except OSError:
                self.leave_out(CLOSED, here + "/")
                continue
            if here != folder and os.path.islink(here):
                self.linked.append(self.relative(here))
            for name in inner:
                path = os.path.join(here, name)
                (links if os.path.islink(path) else waiting).append(path)
            images = [path for name in files if self._is_image(path := os.path.join(here, name), name)]
            self.found += len(images)
            found += images
        return sorted(found, key=lambda path: path.split(os.sep))

    def _is_image(self, path: str, name: str) -> bool:
        """By its ending; without one, by its content. Notes why not."""
        if names.is_image(name):
            if self._reads_heic or not names.ending(name).startswith((".hei", ".hif")):
                return True
            self.leave_out(HEIC, path)
        elif ending := names.ending(name):
            self.leave_out(OTHER.format(ending), path)
        elif content(path) in ("", *([] if self._reads_heic else [kinds.HEIC])):
            self.leave_out(NOT_IMAGES, path)
        else:
            return True
        return False

    def relative(self, path: str) -> str:
        """A path below the root, as text."""
        return names.text(path.removeprefix(self.root).lstrip(os.sep))

    def leave_out(self, reason: str, path: str) -> None:
        self._counts[reason] = self._counts.get(reason, 0) + 1
        kept = self._left.setdefault(reason, [])
        if len(kept) < FEW:
            kept.append(self.relative(path))

    def left_out(self) -> tuple[LeftOut, ...]:
        """All that was left out, by reason; files with other endings by ending."""
        return tuple(
            LeftOut(reason + self._hint(reason), count, tuple(self._left[reason]))
            for reason, count in sorted(self._counts.items())
        )

    def _hint(self, reason: str) -> str:
        """Where files with another ending are images all the same, as `.jpg_large`: how to use them."""
        kind = content(os.path.join(self.root, self._left[reason][0])) if reason.startswith(OTHER.format("")) else ""
        if kind in ("", "TIFF"):  # raw files of cameras are TIFF files that hold a small preview
            return ""
        return f" (their content looks like {kind}: rename them to use them)"


def stamp(path: Path | str) -> Stamp:
    """What changes with a file or with the names in a folder. Raises OSError."""
    found = os.stat(path)
    return found.st_mtime_ns, found.st_size


def _leads_up(link: str) -> bool:
    """Whether a link leads to a folder that it is in, which would be all images once more."""
    return Path(os.path.realpath(os.path.dirname(link))).is_relative_to(os.path.realpath(link))


def _leads_to(kind: Callable[[], bool]) -> bool:
    """Whether an entry is of a kind; a link that leads to itself is of none."""
    try:
        return kind()
    except OSError:
        return False


def content(path: str) -> str:
    """The image format of a file's first bytes; empty where they are those of none, or cannot be read."""
    try:
        with open(path, "rb") as file:
            return kinds.of(file.read(kinds.HEAD))
    except OSError:
        return ""
