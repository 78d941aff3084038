"""How much main memory is free, as the system measures it."""

import os
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")  # a container's own limit, where it has one


def free() -> int:
    """Bytes that can be taken without pushing anything out but files that can be read again."""
    return min(_of_the_machine(), _of_the_container())


def _of_the_machine() -> int:
    try:
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text(encoding="ascii").splitlines())
        return 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):  # not Linux: what the C library says, which leaves out what files occupy
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _of_the_container() -> int:
    """What is left of a container's limit; so much that it does not count where there is none."""
    try:
        limit, used = (int((CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        kept = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return max(0, limit - used + int(kept["inactive_file"]))
    except (OSError, KeyError, ValueError):  # no container, or "max": no limit
        return 1 << 62
