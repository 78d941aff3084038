"""Measures main memory, free and in total, of the machine and of its container."""

from pathlib import Path

import psutil

from kdcore.runtime import control_groups

LIMIT, USED, FILES = "memory.max", "memory.current", "inactive_file"
LIMIT_1, USED_1, FILES_1 = (
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    "total_inactive_file",
)  # control groups, version 1


def free() -> int:
    """Bytes that can be allocated without swapping; cached files count as free."""
    return min([psutil.virtual_memory().available, *(left for _, left in _groups())])


def total() -> int:
    """Bytes that the machine has, or that its container may use."""
    return min([psutil.virtual_memory().total, *(limit for limit, _ in _groups())])


def _groups() -> list[tuple[int, int]]:
    """The limit of each control group that has one, and the bytes that are left of it."""
    found = []
    for folder in control_groups.folders("memory"):
        for limit_file, used_file, files in ((LIMIT, USED, FILES), (LIMIT_1, USED_1, FILES_1)):
            numbers = control_groups.numbers(folder / limit_file, folder / used_file)
            if len(numbers) == 2 and min(numbers) >= 0:
                limit, used = numbers
                found.append((limit, max(0, limit - max(0, used - _of_files(folder, files)))))
    return found


def _of_files(folder: Path, name: str) -> int:
    """Bytes of a group that files occupy, which the kernel gives back when they are needed."""
    try:
        kept = dict(line.split() for line in (folder / "memory.stat").read_text("ascii").splitlines())
        return max(0, int(kept[name]))
    except (OSError, KeyError, ValueError):
        return 0
