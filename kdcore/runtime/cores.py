"""Counts the processor cores that this process may use, which a container or a batch system may have limited."""

import math
import os

from kdcore.errors import UserError, clipped
from kdcore.runtime import control_groups


def count() -> int:
    """Cores for this process, at least 1. More busy threads than that wait for each other, and training all but stops."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux
        cores = min(cores, len(os.sched_getaffinity(0)))
    return max(1, min([cores, *(math.ceil(share) for share in _shares())]))


def threads(processes: int = 1) -> int:
    """Threads for each of so many processes: `KD_THREADS`, else its part of the cores, at least 1.

    Raises:
        UserError: the variable is no number from 1.
    """
    given = os.environ.get("KD_THREADS", "").strip()
    if given and not (given.isdecimal() and int(given[:9]) >= 1):
        raise UserError(f"KD_THREADS is {clipped(given, 40)!r}: set it to a number of threads from 1, or leave it out.")
    return int(given[:9]) if given else max(1, count() // processes)


def beside_pages() -> int:
    """Threads for work in the app: all cores but one, which is left to the pages, at least 1."""
    return max(1, count() - 1)


def limit_libraries() -> None:
    """Before torch is loaded: no more threads than cores. OpenMP sees which cores it was given, but not a share of their time."""
    if _shares():
        os.environ.setdefault("OMP_NUM_THREADS", str(threads()))


def _shares() -> list[float]:
    """Processor seconds a second that each control group allows, where it has a limit."""
    found = []
    for folder in control_groups.folders("cpu"):
        for files in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            numbers = control_groups.numbers(*(folder / file for file in files))
            if len(numbers) == 2 and min(numbers) > 0:  # version 1 says -1 where there is no limit
                found.append(numbers[0] / numbers[1])
    return found
