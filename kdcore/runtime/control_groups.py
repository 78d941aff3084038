"""Limits that a container or a batch system sets for this process: Linux control groups, versions 1 and 2.

Each file stands in the process's own group and in those above it, all of which count. In a container its own group is the root,
`/sys/fs/cgroup`; under Slurm or systemd it lies deeper. Elsewhere there are none.
https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/index.html
"""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")  # a line a hierarchy: its number, controllers of version 1, and this process's group
_NUMBER = re.compile(r"-?[0-9]{1,20}")


def folders(controller: str) -> Iterator[Path]:
    """The groups with limits of a controller (`cpu`, `memory`), from this process's own to the root."""
    try:
        lines = [line.split(":", 2) for line in OWN.read_text("utf-8").splitlines()]
    except (OSError, UnicodeError):  # not Linux, or /proc is hidden
        lines = []
    own = {name: group for _, names, group in filter(lambda line: len(line) == 3, lines) for name in names.split(",")}
    first = not _is_there(ROOT / "cgroup.controllers") and _is_there(ROOT / controller)
    top = ROOT / controller if first else ROOT  # version 1 has a folder for each controller
    group = Path(own.get(controller if first else "", "/").lstrip("/"))
    if ".." in group.parts:  # of a process outside this container
        group = Path()
    yield from (top / each for each in (group, *group.parents) if _is_there(top / each))


def numbers(*files: Path) -> tuple[int, ...]:
    """The numbers in some files, one after another; () where a file is missing, or says something else, such as `max`: no limit."""
    try:
        words = [word for file in files for word in file.read_text("ascii").split()]
    except (OSError, ValueError):
        return ()
    return tuple(map(int, words)) if all(_NUMBER.fullmatch(word) for word in words) else ()


def _is_there(path: Path) -> bool:
    """Not where it may not be known: a folder above it is closed, or a name is too long."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True
