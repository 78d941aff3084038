"""The other side of `workers`: a process that decodes one photo after another, and may be ended at any moment.

    python -m kdcore.photos.process

A request is its length and the file's (two big-endian integers of 8 bytes), {"name", "side"} as JSON, and the file. An answer
is laid out alike: {"width", "height", "name", "notes", "shape"} and the pixels, or {"refused"} alone.
"""

import contextlib
import json
import os
import signal
import sys
from typing import Any, BinaryIO

from kdcore.errors import BadPhoto
from kdcore.photos.decoding import read
from kdcore.photos.workers import CPU_SECONDS, LENGTHS

MEMORY_BYTES = 2 << 30  # a progressive JPEG of 120 million pixels needs half of it


def main() -> None:
    """Answer until there are no more requests."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which closes the requests
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints is no answer
    _limit_memory()
    while head := requests.read(LENGTHS.size):
        meta, raw = (requests.read(length) for length in LENGTHS.unpack(head))
        _limit_time()
        told, pixels = _answer(json.loads(meta), raw)
        _write(answers, told, pixels)


def _answer(asked: dict[str, Any], raw: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        photo = read(raw, asked["name"], asked["side"])
    except BadPhoto as reason:
        return {"refused": str(reason)}, b""
    told = {"width": photo.width, "height": photo.height, "name": photo.name, "notes": photo.notes}
    return told | {"shape": photo.pixels.shape}, photo.pixels.tobytes()


def _write(answers: BinaryIO, told: dict[str, Any], pixels: bytes) -> None:
    meta = json.dumps(told).encode()
    answers.write(LENGTHS.pack(len(meta), len(pixels)) + meta)
    answers.write(pixels)
    answers.flush()


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # where the system has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time() -> None:
    """So many seconds from now, which holds also where nobody is left to end this process."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main()
