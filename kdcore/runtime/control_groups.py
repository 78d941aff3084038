"""Limits that a container or a batch system sets for this process: Linux control groups, versions 1 and 2.

Each file stands in the process's own group and in those above it, all of which count. In a container its own group is the root,
`/sys/fs/cgroup`; under Slurm or systemd it lies deeper. Elsewhere there are none.
https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/index.html
"""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")  # a line a hierarchy: its number, controllers of version 1, and this process's group


def folders(controller: str) -> Iterator[Path]:
    """The groups with limits of a controller (`cpu`, `memory`), from this process's own to the root."""
    try:
        lines = [line.split(":", 2) for line in OWN.read_text("utf-8").splitlines()]
    except (OSError, UnicodeError):  # not Linux, or /proc is hidden
        lines = []
    own = {name: group for _, names, group in filter(lambda line: len(line) == 3, lines) for name in names.split(",")}
    top = ROOT / controller if (ROOT / controller).is_dir() else ROOT  # version 1 has a folder for each controller
    group = Path(own.get(controller if top != ROOT else "", "/").lstrip("/"))
    if ".." in group.parts:  # of a process outside this container
        group = Path()
    yield from (top / each for each in (group, *group.parents) if (top / each).is_dir())


def numbers(*files: Path) -> list[int]:
    """The first number in each file. Raises OSError or ValueError where one is missing or says `max`, that is, no limit."""
    return [int(file.read_text("ascii").split()[0]) for file in files]
