"""A visitor's photo, from bytes of any kind to RGB pixels or a sentence that says why not.

`read` decodes in this process: samples, files of whoever runs this. `read_upload` decodes in a process that can be ended,
within bounds of time and memory: whatever comes from a browser. Both read and refuse alike.
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
    Unusable,
    check_length,
    picture,
    read,
)
from kdcore.photos.workers import NotWanted, Workers

MAX_MIB = UPLOADED.mib
_WORKERS = Workers()
read_upload, warm, close = _WORKERS.read, _WORKERS.warm, _WORKERS.close
atexit.register(close)

__all__ = [
    "MAX_MIB", "MAX_PIXELS", "OWN", "BadPhoto", "Busy", "Limits", "NotWanted", "Photo", "Picture", "Unusable", "Workers", "check_length", "close",
    "picture", "read", "read_upload", "warm",
]  # fmt: skip
