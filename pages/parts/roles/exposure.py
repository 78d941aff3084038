"""Whether others can reach the app: the addresses at which this process listens, and KD_HOSTS."""

import contextlib
import ipaddress
import os
import socket
import stat
import time
from pathlib import Path

from pages.parts.server import hosts

DESCRIPTORS = (Path("/proc/self/fd"), Path("/dev/fd"))  # Linux, macOS
AGAIN_SECONDS = 1.0  # after which sockets are looked at again

_found, _looked = False, 0.0


def is_open() -> bool:
    """Whether anything but this machine's own loopback interface leads to the app. Once it did, it stays so."""
    global _found, _looked
    if os.environ.get(hosts.VARIABLE):
        return True  # a proxy serves it under these names
    if not _found and (now := time.monotonic()) - _looked >= AGAIN_SECONDS:
        _found, _looked = not all(_is_loopback(address) for address in listening()), now
    return _found


def listening() -> list[str]:
    """The addresses at which sockets of this process listen; "" for a Unix socket, which serves a proxy."""
    folder = next((each for each in DESCRIPTORS if each.is_dir()), None)
    if folder is None:
        return ["0.0.0.0"]  # it cannot be read here: assume that everybody can connect
    found = []
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):  # closed in the meantime
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                found += _address_of(int(name))
    return found


def _address_of(descriptor: int) -> list[str]:
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        if not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return []
        address = copy.getsockname()
    return [str(address[0]) if isinstance(address, tuple) else ""]


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
