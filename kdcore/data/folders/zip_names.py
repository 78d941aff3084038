"""Names of the entries of a zip file as folders and a name, whatever system wrote them; those that lead out are refused."""

import re
import stat
import zipfile

from kdcore.errors import UserError, clipped

UTF_8 = 0x800  # flag of an entry: its name is UTF-8
# Systems that made an entry: MS-DOS, OS/2 and Windows, some of whose programs write `cat\1.png`
WINDOWS = frozenset({0, 6, 10, 11, 14})
FOLDER_OF_DOS = 0x10  # attribute of an entry
DRIVE, ROOT_OF_DRIVE = re.compile(r"[A-Za-z]:"), re.compile(r"[A-Za-z]:(/|$)")  # `a:b` is a name on Unix


def parts(entry: zipfile.ZipInfo, shown: str, *, backslashes: bool) -> tuple[list[str], bool]:
    """The folders and the name of an entry, and whether it is a folder itself.

    Args:
        shown: the name of the zip file, for messages.
        backslashes: they are between folders also where the entry was made on Unix, which has them in names.

    Raises:
        UserError: it leads out of the folder, with slashes or backslashes, whatever system made it.
    """
    name = _decoded(entry)
    slashed = name.replace("\\", "/")
    of_windows = backslashes or entry.create_system in WINDOWS
    drive = (DRIVE if of_windows else ROOT_OF_DRIVE).match(slashed)
    if slashed.startswith("/") or drive or ".." in slashed.split("/"):
        raise UserError(
            f"{shown} has an entry that leads out of its folder: {clipped(ascii(name), 80)}. Nothing was unpacked."
        )
    found = slashed if of_windows else name
    return [part for part in found.split("/") if part not in ("", ".")], _is_folder(entry, found)


def _is_folder(entry: zipfile.ZipInfo, name: str) -> bool:
    """By the slash at its end, or by its attributes where it is empty."""
    is_marked = stat.S_ISDIR(entry.external_attr >> 16) or bool(entry.external_attr & FOLDER_OF_DOS)
    return name.endswith("/") or (is_marked and not entry.file_size)


def _decoded(entry: zipfile.ZipInfo) -> str:
    """The name of an entry. A Mac writes UTF-8 without the flag that says so, where the standard means code page 437."""
    if entry.flag_bits & UTF_8:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename
