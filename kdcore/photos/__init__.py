"""Photos: bytes of an image file to RGB pixels, or the reason why not.

`read` decodes in this process: samples, and files of the user who runs the program. `read_upload` decodes uploads, in a separate
process with limits on time and memory. Both accept and refuse the same files.
"""

import atexit

from kdcore.errors import BadPhoto, Busy
from kdcore.photos.decoding import (
    MAX_PIXELS,
    OWN,
    UPLOADED,
    Limits,
    Photo,
    Picture,
    check_length,
    one_colour,
    picture,
    read,
    reads_heic,
)
from kdcore.photos.messages import Unusable
from kdcore.photos.workers import Cancelled, Workers

MAX_MIB = UPLOADED.mib
_WORKERS = Workers()
read_upload, warm, close = _WORKERS.read, _WORKERS.warm, _WORKERS.close
atexit.register(close)

__all__ = [
    "MAX_MIB", "MAX_PIXELS", "OWN", "BadPhoto", "Busy", "Cancelled", "Limits", "Photo", "Picture", "Unusable",
    "Workers", "check_length", "close", "one_colour", "picture", "read", "read_upload", "reads_heic", "warm",
]  # fmt: skip
