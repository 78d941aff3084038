"""File systems that hold no files of a user but the state of the machine, such as /proc: to walk them takes minutes, or never ends."""

import contextlib
import os
from pathlib import Path

TABLE = Path("/proc/self/mountinfo")  # of Linux
SYSTEM = {
    "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs", "fusectl", "mqueue", "nsfs",
    "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs",
}  # fmt: skip


def system_devices() -> frozenset[int]:
    """The numbers (`st_dev`) of such file systems that are mounted; none where the system does not list them."""
    found = set()
    with contextlib.suppress(OSError):
        for line in TABLE.read_text(encoding="utf-8", errors="replace").split("\n"):
            place, _, kind = line.partition(" - ")  # `22 27 0:21 / /proc rw - proc proc rw`
            if kind.split(" ")[0] in SYSTEM:
                major, _, minor = place.split(" ")[2].partition(":")
                found.add(os.makedev(int(major), int(minor)))
    return frozenset(found)
