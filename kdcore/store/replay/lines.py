"""New lines of a growing file, complete and of limited length."""

from collections.abc import Iterator
from pathlib import Path

READ_BYTES = 8 << 20  # at once
MOST_BYTES = 1 << 20  # of a line; the longest event has 25 kB, or the names of 20,000 classes


class Lines:
    """How far a file was read. `skipping`: in the middle of a line that is too long."""

    def __init__(self, offset: int = 0, skipping: bool = False) -> None:
        self.offset, self.skipping = offset, skipping

    def new(self, path: Path, read_bytes: int = READ_BYTES) -> Iterator[list[bytes]]:
        """The complete lines after the offset, some MiB at a time; `offset` moves on with them. Of a line over MOST_BYTES only the
        beginning is returned, still over MOST_BYTES, and the rest is skipped."""
        with path.open("rb") as file:
            file.seek(self.offset)
            half = b""  # the beginning of the last line
            while read := file.read(read_bytes):
                if self.skipping:
                    end = read.find(b"\n") + 1
                    self.offset += end or len(read)
                    self.skipping = not end
                    read = read[end:] if end else b""
                half += read
                *lines, half = half.split(b"\n")
                self.offset += sum(map(len, lines)) + len(lines)
                if len(half) > MOST_BYTES:
                    lines.append(half)
                    self.offset += len(half)
                    self.skipping, half = True, b""
                yield lines
