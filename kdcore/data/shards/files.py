"""Which files of a folder are shards, and of which split: by a word of their names, or by the folder that they are in."""

import contextlib
import itertools
import os
import re

from kdcore.data.folders import names

LOOKED_AT = 50  # names of a folder


def shards(root: str) -> dict[str, str]:
    """The tar files of a folder, relative to it, each with its split; empty for one without. Raises OSError."""
    found: dict[str, str] = {}
    for name in sorted(os.listdir(root)):
        if names.skipped_file(name):
            continue
        if _is_tar(name):
            words = re.split(r"[\W\d_]+", name[: -len(".tar")])
            found[name] = next(filter(None, map(names.split, reversed(words))), "")
        elif (split := names.split(name)) and os.path.isdir(os.path.join(root, name)):
            inner = sorted(each for each in os.listdir(os.path.join(root, name)) if _is_tar(each))
            found |= {f"{name}/{each}": split for each in inner if not names.skipped_file(each)}
    return found


def holds_folders_of_images(root: str, depth: int = 3) -> bool:
    """Whether a folder holds class folders, or train/ with such in it, as beside the tar file that they were unpacked from.

    Looks at the first names of each folder.
    """
    with contextlib.suppress(OSError), os.scandir(root) as found:
        for entry in itertools.islice(found, LOOKED_AT):
            if entry.is_dir():
                inside = depth > 1 and not names.skipped_folder(entry.name)
                if inside and holds_folders_of_images(entry.path, depth - 1):
                    return True
            elif depth < 3 and names.is_image(entry.name):
                return True
    return False


def _is_tar(name: str) -> bool:
    return name.lower().endswith(".tar")
