"""Networks of the libraries: search, what is known of each, and downloads of their weights."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kdcore.checks import downloads
from kdcore.errors import UserError, shown
from pages.parts.engine.guards import operators, visitors
from pages.parts.roles import quota
from pages.parts.roles import role as roles
from pages.parts.roles import visitors as watching

if TYPE_CHECKING:
    from kdcore.inspection import Choice
    from kdcore.inspection.catalogue import Cost, Weights

LARGEST_FOR_VISITORS = 400 << 20  # bytes of a weight file
FRESH_SECONDS = 30.0  # for which it is remembered whether a host answers

_pool = ThreadPoolExecutor(2, thread_name_prefix="network-facts")
_lock = threading.Lock()
_answers: dict[str, tuple[float, Future[bool]]] = {}  # host -> when it was asked, and whether it answers
_downloads: dict[str, Future[None]] = {}  # network -> its download


@dataclass(frozen=True)
class Facts:
    """What is known of a network.

    weights: its pretrained ones. cost: None while it is counted. reachable: whether the host of a download answers; None while
    that is tried, and where no download is needed. downloading: its weights are being downloaded. problem: why that failed.
    """

    name: str
    weights: Weights
    cost: Cost | None
    reachable: bool | None = None
    downloading: bool = False
    problem: str = ""

    @property
    def pending(self) -> bool:
        """Whether more will be known in a moment."""
        needs_host = self.weights.there and self.weights.size is None and bool(self.weights.source)
        return self.downloading or self.cost is None or (needs_host and self.reachable is None)


@operators("search networks")
def search_networks(query: str, *, with_weights: bool = False, here: bool = False) -> list[str]:
    """Names with all words of the query, the best first; see `kdcore.inspection.catalogue.search`."""
    from kdcore.inspection import catalogue

    return catalogue.search(query, with_weights=with_weights, here=here)


@operators("search networks")
def network_facts(name: str, image_size: int | None = None) -> Facts:
    """What is known by now; the rest is worked out in threads. image_size: of the images in pixels, else the network's usual one.

    Raises:
        UserError: there is no such network.
    """
    from kdcore.inspection import catalogue

    weights = catalogue.weights(name)
    away = weights.there and weights.size is None and weights.source
    problem = _download_problem(name) if away else ""
    answers = _answers_now(weights.source) if away else None
    return Facts(name, weights, catalogue.costs.get(name, image_size), answers, problem is None, problem or "")


@visitors
def networks_here() -> list[str]:
    """The pretrained networks whose weights are on this machine, and no larger than this visit may load."""
    from kdcore.inspection import catalogue

    found = catalogue.on_this_machine()
    return list(found) if roles.is_operator() else [name for name in found if may_load(name)]


@visitors
def library_choice(name: str) -> Choice:
    """A pretrained network to inspect. Raises UserError where there is none, or this visit may not use it."""
    from kdcore import inspection

    if not roles.is_operator() and not may_load(name):
        watching.refuse("use networks that are not on this server, or are larger than 400 MiB")
    with quota.charged():
        return inspection.library_choice(name)


def may_load(name: str) -> bool:
    """Whether a visitor may use a pretrained network: its weights are here and not too large."""
    from kdcore.inspection import catalogue

    try:
        size = catalogue.weights(name).size
    except UserError:
        return False
    return size is not None and size <= LARGEST_FOR_VISITORS


@operators("download weights")
def download_weights(name: str) -> None:
    """Start downloading a network's pretrained weights in a thread; `network_facts` tells how far that is."""
    from kdcore.inspection import catalogue

    with _lock:
        if name not in _downloads or _downloads[name].done():
            _downloads[name] = _pool.submit(catalogue.download, name)


def _download_problem(name: str) -> str | None:
    """None while a network's weights are being downloaded, else why that failed; empty where it did not."""
    with _lock:
        found = _downloads.get(name)
    if found is None:
        return ""
    if not found.done():
        return None
    error = found.exception()
    return shown(error) if error else ""


def _answers_now(address: str) -> bool | None:
    """Whether the host of an address answers, tried in a thread: one without a network would take seconds."""
    host = urlsplit(address).netloc
    with _lock:
        asked, answer = _answers.get(host, (0.0, None))
        stale = answer is None or (answer.done() and time.monotonic() - asked > FRESH_SECONDS)
        if stale:
            fresh = _pool.submit(downloads.reachable, address)
            _answers[host] = time.monotonic(), fresh
            answer = fresh if answer is None else answer
    return answer.result() if answer is not None and answer.done() else None
