"""Files of torch.save, read without running any code in them: PyTorch's restricted reader, with inert stand-ins.

A training script's file holds more than tensors: its arguments, paths, numbers of numpy, parts of Lightning. The restricted
reader refuses them by name. Their names are listed first, without executing anything, and each gets an empty class in its
place; only argparse's Namespace is itself, since it holds plain data that is of use.
"""

import argparse
import io
import os
import pickletools
import re
import warnings
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch

from kdcore.errors import UserError

NAMESPACE = "argparse.Namespace"
# calls that no weights need: such a file is refused, although none of them would be made
RUNNERS = re.compile(
    r"(os|posix|nt|subprocess|sys|pty|runpy|importlib|shutil|socket|ctypes|webbrowser)\.|"
    r"builtins\.(exec|eval|compile|open|__import__|getattr|setattr|input|breakpoint)$|torch\.(load|hub)"
)
RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # modules that protocol 2 names as Python 2 did
PICKLES_BEFORE_TENSORS = 4  # of a file without a zip archive: a mark, a version, the machine, the object
LARGEST_PICKLE = 64 << 20  # bytes, without the tensors; of a checkpoint with optimizer it is a few MiB
READ_AT_ONCE = 1 << 20  # bytes
HEADER = 30  # bytes of an entry of a zip archive, before its name
# MemoryError: a length of more bytes than the machine has; NotImplementedError: a version of zip that nobody writes
DAMAGED = (
    ValueError, EOFError, IndexError, KeyError, OverflowError, MemoryError, NotImplementedError, RuntimeError, zlib.error,
    zipfile.BadZipFile,
)  # fmt: skip
SAVE_AGAIN = "Save the weights alone in the script that made it: torch.save(model.state_dict(), 'weights.pth')."


class StandIn:
    """An object of a class that is not read. It runs nothing and keeps nothing."""

    kind = ""

    def __new__(cls, *arguments: Any, **named: Any) -> "StandIn":
        return super().__new__(cls)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _Mapping:
    """Stands for subclasses of dict, which get their entries one by one."""

    def __new__(cls, *arguments: Any) -> Any:
        return OrderedDict()


def read(file: Path) -> Any:
    """What torch.save wrote.

    Raises:
        UserError: not a file of torch.save, a damaged or compressed one, TorchScript, or one that calls functions.
    """
    used: set[str] = set()
    with file.open("rb") as opened:
        archived = opened.read(4) == b"PK\x03\x04"
        opened.seek(0)
        try:
            for name in _in_archive(file, opened) if archived else _in_stream(opened):
                used.add(name)
        except UserError:
            raise
        except DAMAGED:
            _refuse_calls(file, used)
            raise UserError(_damaged(file)) from None
    _refuse_calls(file, used)
    allowed = [argparse.Namespace, *((_stand_in(name), name) for name in used - {NAMESPACE})]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(allowed):  # type: ignore[arg-type]
            warnings.simplefilter("ignore")  # on protocols of pickle that other versions write
            return torch.load(file, map_location="cpu", weights_only=True, mmap=archived)
    except FileNotFoundError:
        raise
    except Exception as error:  # pickle raises nearly anything for other files
        if "Unsupported operand" in str(error):
            raise UserError(
                f"{file} cannot be read as plain tensors: its format is not torch.save's. {SAVE_AGAIN}"
            ) from None
        raise UserError(_damaged(file)) from None


def _refuse_calls(file: Path, used: set[str]) -> None:
    if calls := sorted(name for name in used if RUNNERS.match(name)):
        raise UserError(
            f"{file} cannot be read as plain tensors: it calls {', '.join(calls[:3])} when it is opened, so it was not opened. "
            "Use weights from another source."
        )


def _damaged(file: Path) -> str:
    return (
        f"{file} cannot be read as plain tensors: it is damaged, incomplete or not a file of torch.save. Download or copy it "
        "again, and compare its size."
    )


def _stand_in(name: str) -> type:
    short = name.rpartition(".")[2]
    return _Mapping if short.lower().endswith("dict") else type(short, (StandIn,), {"kind": name})


def _in_archive(file: Path, opened: BinaryIO) -> Iterator[str]:
    """The classes and functions that are named in an archive of torch.save."""
    with zipfile.ZipFile(opened) as archive:
        entries = archive.infolist()
        names = {entry.filename.partition("/")[2]: entry for entry in entries}
        if "constants.pkl" in names:
            raise UserError(f"{file} is a TorchScript program, not a state dict. {SAVE_AGAIN}")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise UserError(
                f"{file} is a compressed archive, which torch.save does not write. Unpack it, and give the file in it."
            )
        if sum(entry.file_size for entry in entries) > file.stat().st_size:
            raise UserError(f"{file} cannot be read as plain tensors: its entries are larger than the file.")
        if "data.pkl" not in names:
            raise UserError(
                f"{file} is an archive without a state dict of torch.save in it. Unpack it, and give the file in it."
            )
        if names["data.pkl"].file_size > LARGEST_PICKLE:
            raise UserError(
                f"{file} holds {names['data.pkl'].file_size / 2**20:.0f} MiB beside its tensors. {SAVE_AGAIN}"
            )
        yield from _named(io.BytesIO(b"".join(_stored(opened, names["data.pkl"]))))
    _check_sums(file, opened, entries)


def _check_sums(file: Path, opened: BinaryIO, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive with some entries that differ from their checksums, which PyTorch does not compare.

    Where all differ, it was saved without them (`torch.serialization.set_crc32_options`).
    """
    wrong = [entry for entry in entries if _sum(opened, entry) != entry.CRC]
    if wrong and len(wrong) < len(entries):
        raise UserError(
            f"{file} is damaged: {len(wrong)} of its {len(entries)} parts differ from their checksums. Download or copy it again, "
            "and compare its size."
        )


def _sum(opened: BinaryIO, entry: zipfile.ZipInfo) -> int:
    found = 0
    for part in _stored(opened, entry):
        found = zlib.crc32(part, found)
    return found


def _stored(opened: BinaryIO, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of an entry that is not compressed, in parts, whatever its checksum."""
    opened.seek(entry.header_offset)
    header = opened.read(HEADER)
    name, extra = (int.from_bytes(header[place : place + 2], "little") for place in (26, 28))
    opened.seek(name + extra, os.SEEK_CUR)
    for left in range(entry.file_size, 0, -READ_AT_ONCE):
        yield opened.read(min(left, READ_AT_ONCE))


def _in_stream(opened: BinaryIO) -> Iterator[str]:
    for _ in range(PICKLES_BEFORE_TENSORS):
        yield from _named(opened)


def _named(pickled: Any) -> Iterator[str]:
    """The names of a pickle, from its instructions, none of which is followed."""
    for operation, argument, _ in pickletools.genops(pickled):
        if operation.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            yield f"{RENAMED.get(module, module)}.{name}"
