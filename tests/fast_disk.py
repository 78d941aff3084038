"""Temporary files of parallel tests in memory, where there is plenty: the app waits for the disk at every file that it writes."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

FOLDER = Path("/dev/shm")
GIB = 8  # that have to be free there and in memory; all tests together write about 2


def begin() -> Path | None:
    """Move this process's temporary files, and those of the processes it starts, where `pytest -n` begins; None otherwise."""
    if not _parallel(sys.argv) or "PYTEST_XDIST_WORKER" in os.environ or not _plenty():
        return None
    folder = Path(tempfile.mkdtemp(prefix="kd-", dir=FOLDER))
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    return folder


def end(folder: Path | None) -> None:
    if folder:
        os.environ.pop("TMPDIR", None)
        tempfile.tempdir = None
        shutil.rmtree(folder, ignore_errors=True)


def _parallel(arguments: list[str]) -> bool:
    return any(word.startswith(("-n", "--numprocesses")) for word in arguments[1:]) and "-n0" not in arguments


def _plenty() -> bool:
    try:
        place, memory = os.statvfs(FOLDER), Path("/proc/meminfo").read_text()
    except OSError:  # not on Linux
        return False
    available = next(int(row.split()[1]) << 10 for row in memory.splitlines() if row.startswith("MemAvailable:"))
    may_run = not place.f_flag & os.ST_NOEXEC  # compiled code is loaded from there
    return bool(may_run and min(place.f_bavail * place.f_frsize, available) > GIB << 30)
