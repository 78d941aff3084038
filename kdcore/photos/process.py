"""The worker process of `workers`: decodes one photo after another, and may be killed at any moment.

    python -m kdcore.photos.process

A request is its length and the file's (two big-endian integers of 8 bytes), {"name", "side"} as JSON, and the file. A reply
has the same layout: {"width", "height", "name", "notes", "shape"} and the pixels, or {"refused"} alone.
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
    """Serve requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then closes the pipe
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints is not a reply
    _limit_memory()
    while head := requests.read(LENGTHS.size):
        meta, raw = (requests.read(length) for length in LENGTHS.unpack(head))
        _limit_time()
        reply, pixels = _decoded(json.loads(meta), raw)
        _write(replies, reply, pixels)


def _decoded(request: dict[str, Any], raw: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        photo = read(raw, request["name"], request["side"])
    except BadPhoto as reason:
        return {"refused": str(reason)}, b""
    reply = {"width": photo.width, "height": photo.height, "name": photo.name, "notes": photo.notes}
    return reply | {"shape": photo.pixels.shape}, photo.pixels.tobytes()


def _write(replies: BinaryIO, reply: dict[str, Any], pixels: bytes) -> None:
    meta = json.dumps(reply).encode()
    replies.write(LENGTHS.pack(len(meta), len(pixels)) + meta)
    replies.write(pixels)
    replies.flush()


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # where the system has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time() -> None:
    """Limit the CPU time of this request, also where the parent process is gone."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main()
