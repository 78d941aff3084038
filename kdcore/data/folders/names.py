"""Names of files and folders: as text, in one Unicode form; which ones are never read; which folder names mean a split."""

import os
import re
import unicodedata
from collections.abc import Collection, Iterable

from kdcore.errors import appearance, blank, shortened, visible
from kdcore.photos import kinds

SYSTEM_FOLDERS = {
    "system volume information",
    "lost+found",
    "$recycle.bin",
    "@eadir",
    "@recycle",
    "#recycle",
    "#snapshot",
}
SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "picasa.ini"}
THUMBNAIL_FOLDERS = {"thumbs", "thumbnails", "_thumbs", "_thumbnails", "thumb"}
SPLITS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "development"), "validation"),
}
TABLES = {".csv", ".tsv", ".parquet", ".arrow", ".feather", ".json", ".jsonl", ".xlsx"}
ARRAYS = {
    ".npy", ".npz", ".h5", ".hdf5", ".mat", ".pkl", ".pickle", ".pt", ".tfrecord", ".tfrecords", ".lmdb", ".mdb", ".idx1-ubyte",
    ".idx3-ubyte",
}  # fmt: skip
_PACKED = re.compile(r"\.(tar\.(gz|zst|xz|bz2)|tgz|zip|7z|rar)$", re.IGNORECASE)
_SUFFIX = re.compile(r"(set|data|dataset|images|imgs|photos|pictures|split|folder)$")


def text(name: str) -> str:
    """A name as text in composed form (NFC): a Mac writes umlauts as two characters. One that is not UTF-8 counts as Latin-1, and
    what acts on a terminal, such as a line's end, as a space."""
    raw = os.fsencode(name)
    try:
        words = raw.decode("utf-8")
    except UnicodeDecodeError:
        words = raw.decode("latin-1")
    return unicodedata.normalize("NFC", visible(words))


def alike(classes: Collection[str]) -> list[str]:
    """A sentence for each class name of which nothing is seen, and for each group of those that look the same, or nearly."""
    found: dict[str, list[str]] = {}
    unseen = [name for name in classes if blank(name)]
    for name in classes:
        found.setdefault(appearance(name), []).append(name)
    return [f"{name!r} is a class, but nothing is seen of its name: give it another one." for name in unseen] + [
        f"{' and '.join(map(repr, group))} are two classes: their names differ in capitals, spaces or invisible characters only."
        for group in found.values()
        if len(group) > 1
    ]


def skipped_folder(name: str) -> bool:
    """Hidden, checkpoint and system folders, such as `.ipynb_checkpoints`, `__MACOSX`, `@eaDir`, `$RECYCLE.BIN`."""
    return name.startswith((".", "__")) or name.lower() in SYSTEM_FOLDERS


def thumbnail_folder(name: str) -> bool:
    """Folders of previews; inside of a class only, since a class may have such a name."""
    return name.lower() in THUMBNAIL_FOLDERS


def skipped_file(name: str) -> bool:
    """Hidden and system files, such as `.DS_Store`, `._cat.jpg` and `Thumbs.db`."""
    return name.startswith(".") or name.lower() in SYSTEM_FILES


def split(name: str) -> str:
    """train, test or validation, of a folder named `Train`, `training_set`, `testset` or `dev`; empty for another name."""
    word = re.sub(r"[\W_]+", "", text(name).casefold())
    return SPLITS.get(word) or SPLITS.get(_SUFFIX.sub("", word), "")


def ending(name: str) -> str:
    """`.jpg` of `cat.JPG`; empty where there is none, or only a number."""
    found = os.path.splitext(name)[1].lower()
    return "" if found[1:].isdigit() else found


def is_image(name: str) -> bool:
    """Whether the ending is one of an image format that is read."""
    return ending(name) in kinds.ENDINGS


def not_read(files: Iterable[str]) -> str:
    """What to do where images lie in files that are not read, arrays, tables or packed folders, as a sentence; empty without such files."""
    known = sorted(files)
    if array := next((name for name in known if ending(name) in ARRAYS), ""):
        return f"Files of arrays such as {shortened(text(array))} are not read: save the images as PNG, in a folder for each class. "
    if table := next((name for name in known if ending(name) in TABLES), ""):
        return (
            f"Tables such as {shortened(text(table))} are not read: sort the images into a folder for each class, or save them as a "
            "dataset of the package `datasets` (`save_to_disk`). "
        )
    packed = next((name for name in known if _PACKED.search(name)), "")
    return f"Packed files such as {shortened(text(packed))} are not read: unpack them first. " if packed else ""


def no_folder(root: str | os.PathLike[str], layout: str) -> str:
    """What is wrong with a path that is no folder, in words. layout: what the folder should hold."""
    shown = shortened(text(str(root)))
    if os.path.isfile(root) and ending(os.path.basename(root)) in TABLES | ARRAYS:
        return f"{not_read([os.path.basename(root)])}{layout}"
    if os.path.isfile(root):
        return (
            f"{shown} is a file, not a folder. Give the folder that it is in, or the one that it unpacks to. {layout}"
        )
    return f"There is no folder {shown} (looked in {text(os.path.dirname(os.path.abspath(root)))}). {layout}"
