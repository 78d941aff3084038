"""Whether the host of a download can be reached, so that a run which needs it is not started in vain."""

import socket
import time
from functools import lru_cache
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

PATIENCE = 3.0  # seconds to wait for a host
FRESH = 30.0  # seconds for which an answer is kept


def reachable(address: str) -> bool:
    """Whether a connection to the host of an address, or to the proxy before it, can be opened now."""
    return _reachable(address, int(time.monotonic() // FRESH))


@lru_cache(maxsize=16)
def _reachable(address: str, period: int) -> bool:
    target = urlsplit(address)
    proxy = getproxies().get(target.scheme)
    if proxy and target.hostname and not proxy_bypass(target.hostname):
        target = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    try:
        port = target.port or (443 if target.scheme == "https" else 80)
        with socket.create_connection((target.hostname or "", port), timeout=PATIENCE):
            return True
    except (OSError, ValueError):  # no network, no such host, no answer in time; or a port that is no number
        return False
