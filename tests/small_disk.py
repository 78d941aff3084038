"""A small disk of its own for a test, where mounting is allowed. What a killed test left mounted, the next one unmounts."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

SOURCE = "kd-tests-"  # and the process


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[bool]:
    """Mount a disk of `size` bytes at a folder; False where that is not allowed."""
    unmount_abandoned()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", f"{SOURCE}{os.getpid()}", str(folder)]
    mounted = False
    with contextlib.suppress(OSError):
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def unmount_abandoned() -> None:
    """Unmount the disks of processes that have ended."""
    mounts = Path("/proc/mounts")
    for line in mounts.read_text().splitlines() if mounts.is_file() else ():
        source, place, *_ = line.split()
        process = source.removeprefix(SOURCE)
        if source.startswith(SOURCE) and not Path("/proc", process).exists():
            subprocess.run(["umount", "--lazy", place.replace(r"\040", " ")], check=False)
