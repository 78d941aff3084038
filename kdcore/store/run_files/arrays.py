"""Arrays from .npz files, without pickle, and within a limit of memory."""

import io
import math
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from kdcore.errors import UserError
from kdcore.files.reading import regular

MOST_BYTES = 1 << 30  # of all arrays together


def read(path: Path) -> dict[str, np.ndarray]:
    """Every array of a file by its name; they are read-only.

    Raises:
        UserError: no such file, a damaged one, or one with more than 1 GiB of arrays.
    """
    try:
        regular(path)
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if (size := sum(member.file_size for member in members)) > MOST_BYTES:
                raise UserError(f"it has {size:,} bytes; at most {MOST_BYTES:,} are read")
            return {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (
        ValueError, KeyError, TypeError, SyntaxError, EOFError, RuntimeError, MemoryError, OverflowError, struct.error,
        zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip  # what zipfile and numpy raise on damaged content
        raise UserError(f"{path} is damaged: {error}.") from None


def _array(content: bytes) -> np.ndarray:
    file = io.BytesIO(content)
    version = npy.read_magic(file)
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = header(file)
    if dtype.hasobject or min(shape, default=0) < 0:
        raise UserError("it has entries that are not numbers")
    if math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise UserError(f"an array of shape {shape} does not have {len(content) - file.tell():,} bytes")
    return np.frombuffer(content, dtype, offset=file.tell()).reshape(shape, order="F" if fortran else "C")
