"""The classes of a folder of images and the files of each split, without opening images; read anew when a folder changes.

path/CLASS/*.jpg                        no `test`: a fifth is split off for it (by `datasets.folder`)
path/train/CLASS, path/test/CLASS       also Train, training_set, testset, ...
path/val/CLASS                          also valid, validation, dev, ...
"""

import difflib
import os
import time
from pathlib import Path

import numpy as np

from kdcore.data.folders import names, stored
from kdcore.data.folders.contents import Listing, Names, Pool
from kdcore.data.folders.walking import Stamp, Walk, stamp
from kdcore.errors import UserError

LAYOUT = "It should hold one folder of images for each class, or train/ and test/ with such folders in them."


def listed(root: Path) -> Listing:
    """What a folder of images holds.

    Raises:
        NotAllowed: it is outside the folders that this server may read.
        UserError: there is no such folder, or it holds no classes.
    """
    return stored.listing("folder", root, lambda: _Reader(root, os.path.abspath(root)).listing())


class _Reader:
    """Reads a folder once."""

    def __init__(self, root: Path, absolute: str) -> None:
        self.root, self.shown = root, names.text(str(root))
        self.walk = Walk(absolute)
        self.began = time.time_ns()
        self.questions: list[str] = []
        self.notes: list[str] = []
        self._seen: dict[str, tuple[list[str], list[str]]] = {}

    def listing(self) -> Listing:
        parts = self._parts()
        own = {pool: self._classes(part) for pool, part in parts.items()}
        classes = tuple(sorted(own["train"]))
        self._check_classes(parts, own)
        pools = {pool: self._pool(parts[pool], own[pool], classes) for pool in parts}
        self._question_missing(pools, classes)
        self._question_depth(pools["train"], parts["train"], classes)
        self._note_links()
        return Listing(
            self.root, classes, pools, self.walk.left_out(), tuple(self.questions), tuple(self.notes), self.walk.stamps, self.began
        )  # fmt: skip

    def _inside(self, folder: str) -> tuple[list[str], list[str]]:
        """The folders and files in a folder, read once: what is left out is counted then."""
        if folder not in self._seen:
            try:
                self._seen[folder] = self.walk.inside(
                    os.path.join(self.walk.root, folder) if folder else self.walk.root
                )
            except OSError as error:
                raise UserError(f"The folder {self._named(folder)} cannot be opened ({error.strerror}).") from error
        return self._seen[folder]

    def _parts(self) -> dict[str, str]:
        """pool -> the folder that holds its class folders, relative to the root."""
        if not os.path.isdir(self.root):
            raise UserError(names.no_folder(self.root, LAYOUT))
        folders, files = self._inside("")
        found = self._split_folders(folders)
        if "train" not in found:
            self._question_splits(found, folders)
            self._leave_out("", [], files)
            return {"train": ""}
        used = set(found.values())
        self._leave_out("", [name for name in folders if name not in used], files)
        return found

    def _split_folders(self, folders: list[str]) -> dict[str, str]:
        """The folders named after splits that hold class folders. Raises UserError for two of one split."""
        found: dict[str, str] = {}
        for name in folders:
            pool = names.split(name)
            if not pool:
                continue
            if not self._inside(name)[0]:
                continue  # images of trains, perhaps
            if pool in found:
                raise UserError(
                    f"{self.shown} has two folders of {pool} images, {found[pool]!r} and {name!r}: keep one of them, or merge them."
                )
            found[pool] = name
        return {pool: found[pool] for pool in ("train", "validation", "test") if pool in found}

    def _question_splits(self, found: dict[str, str], folders: list[str]) -> None:
        """Refuse folders of splits without one of training images, where these are all that there is."""
        if found and all(names.split(name) for name in folders):
            some = " and ".join(f"{name}/" for name in found.values())
            raise UserError(f"{self.shown} has {some}, but no folder train/ for the training images. {LAYOUT}")

    def _classes(self, part: str) -> dict[str, list[str]]:
        """class -> its folders, relative to the root: several where their names differ in their Unicode form only."""
        folders, files = self._inside(part)
        if part:
            self._leave_out(part, [], files)
        found: dict[str, list[str]] = {}
        for name in folders:
            found.setdefault(names.text(name), []).append(os.path.join(part, name))
        return found

    def _leave_out(self, part: str, folders: list[str], files: list[str]) -> None:
        """Note what lies beside class folders or beside train/ and test/."""
        for name in folders:
            unused = names.split(name)
            if unused in ("test", "validation"):
                self.questions.append(
                    f"{name}/ has no class folders in it, so it is not used; {unused} images are taken from the training images."
                )
            self.walk.leave_out("folders beside the training images", os.path.join(self.walk.root, part, name) + "/")
        for name in files:
            reason = (
                "images outside of the class folders" if names.is_image(name) else "files outside of the class folders"
            )
            self.walk.leave_out(reason, os.path.join(self.walk.root, part, name))

    def _check_classes(self, parts: dict[str, str], own: dict[str, dict[str, list[str]]]) -> None:
        train = self._named(parts["train"])
        known = sorted(own["train"])
        if not known:
            raise UserError(f"{train} has no folders in it. {self._not_read(parts['train'])}{LAYOUT}")
        if len(known) == 1:
            raise UserError(
                f"{train} has a single class, {known[0]!r}; at least two are needed. {self._deeper(own['train'][known[0]][0])}"
                f"{self._not_read(parts['train'])}{LAYOUT}"
            )
        for pool, part in parts.items():
            if strange := sorted(own[pool].keys() - own["train"].keys()):
                near = difflib.get_close_matches(strange[0].casefold(), [name.casefold() for name in known], n=1)
                hint = next((f" Did you mean {name!r}?" for name in known if near and name.casefold() == near[0]), "")
                raise UserError(
                    f"{self._named(part)} has the class {strange[0]!r}, which {train} does not.{hint} The {pool} images may "
                    f"only have the training classes, {', '.join(known[:10])}."
                )
        self._note_forms(own)

    def _not_read(self, part: str) -> str:
        return names.not_read(self._inside(part)[1])

    def _deeper(self, folder: str) -> str:
        """Where the only folder holds folders itself, that one is probably meant."""
        inner, _ = self._inside(folder)
        if len(inner) < 2:
            return ""
        return f"Its folder {names.text(os.path.basename(folder))} holds folders itself: did you mean {self._named(folder)}? "

    def _note_forms(self, own: dict[str, dict[str, list[str]]]) -> None:
        written: dict[str, set[str]] = {}
        for classes in own.values():
            for name, folders in classes.items():
                written.setdefault(name, set()).update(os.path.basename(folder) for folder in folders)
        for name in (name for name, forms in written.items() if len(forms) > 1):
            self.notes.append(
                f"Folders named {name!r} whose names differ in control characters, Unicode form or encoding only are one class."
            )
        self.questions += names.alike(own["train"])

    def _pool(self, part: str, own: dict[str, list[str]], classes: tuple[str, ...]) -> Pool:
        parts: list[Names] = []
        targets = [np.empty(0, np.int64)]
        stamps: list[Stamp] = []
        for target, name in enumerate(classes):
            for folder in own.get(name, ()):
                found = self.walk.images(os.path.join(self.walk.root, folder))
                parts.append(Names.of(path[len(self.walk.root) :].lstrip(os.sep) for path in found))
                targets.append(np.full(len(found), target, np.int64))
                stamps += map(_stamp, found)
        changed, sizes = np.array(stamps, np.int64).reshape(-1, 2).T.copy()
        return Pool(part, Names.joined(parts), np.concatenate(targets), {"size": sizes, "changed": changed})

    def _question_missing(self, pools: dict[str, Pool], classes: tuple[str, ...]) -> None:
        for pool, found in pools.items():
            empty = found.empty_classes(classes)
            if pool != "train" and 0 < len(empty) < len(classes):
                have = "has" if len(empty) == 1 else "have"
                more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
                self.questions.append(
                    f"{len(empty)} of {len(classes)} classes {have} no {pool} images: {', '.join(empty[:5])}{more}."
                )

    def _question_depth(self, pool: Pool, part: str, classes: tuple[str, ...]) -> None:
        """Question classes that hold folders only: the folders inside may be the classes."""
        depth = part.count(os.sep) + bool(part) + 1  # of the class folders' content
        if not len(pool.files) or any(file.count(os.sep) <= depth for file in pool.files):
            return
        inner = list(dict.fromkeys(names.text(file.split(os.sep)[depth]) for file in pool.files))
        self.questions.append(
            f"No image lies directly in the class folders ({', '.join(classes[:5])}), only in folders inside of them "
            f"({', '.join(inner[:5])}{', ...' if len(inner) > 5 else ''}). If those inside are the classes, choose a folder one "
            "level deeper, or name the outer ones train and test."
        )

    def _note_links(self) -> None:
        if linked := self.walk.linked:
            self.notes.append(
                f"{len(linked)} linked folder{'s are' if len(linked) > 1 else ' is'} followed: {', '.join(linked[:5])}"
                f"{', ...' if len(linked) > 5 else ''}."
            )

    def _named(self, folder: str, inner: str = "") -> str:
        return names.text(os.path.join(str(self.root), folder, inner).rstrip(os.sep) or os.sep)


def _stamp(path: str) -> Stamp:
    """A file's time of modification and size; of one that has just gone, which is reported where it is read, none."""
    try:
        return stamp(path)
    except OSError:
        return -1, -1
