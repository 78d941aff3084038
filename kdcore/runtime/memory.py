"""Measures main memory, free and in total, of the machine and of its container."""

import os
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")  # limits of a container


def free() -> int:
    """Bytes that can be allocated without swapping; cached files count as free."""
    return min(_of_the_machine(), _of_the_container())


def total() -> int:
    """Bytes that the machine has, or that its container may use."""
    try:
        limit = int((CGROUP / "memory.max").read_text())
    except (OSError, ValueError):  # no container, or "max": no limit
        limit = 1 << 62
    return min(limit, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def _of_the_machine() -> int:
    try:
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text(encoding="ascii").splitlines())
        return 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):  # not Linux: the C library's figure, without cached files
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _of_the_container() -> int:
    """Bytes left of a container's limit; 2**62 where there is none."""
    try:
        limit, used = (int((CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        kept = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return max(0, limit - used + int(kept["inactive_file"]))
    except (OSError, KeyError, ValueError):  # no container, or "max": no limit
        return 1 << 62
