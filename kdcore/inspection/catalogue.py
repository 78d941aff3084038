"""Networks of the libraries by search: parameters, FLOPs and licence, and whether their weights are on this machine.

Building a network to count its FLOPs takes up to seconds, so that is done one by one in a thread, and kept on disk. `search` and
`weights` take milliseconds.
"""

import contextlib
import json
import queue
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants as hub
from timm.models import get_pretrained_cfg

from kdcore import models, paths
from kdcore.errors import UserError, clipped, in_words
from kdcore.files import atomic, budget, reading
from kdcore.models import pretrained, zoo
from kdcore.runtime import versions

MOST = 20  # networks of one search
FRESH_SECONDS = 30.0  # for which it is remembered what is on this machine
MOST_KEPT = 5000
LARGEST_FILE = 4 << 20  # bytes of what is kept on disk
FLOAT_BYTES = 4
SPARE_COPIES = 2  # of a download, while it is written


@dataclass(frozen=True)
class Cost:
    """What a network costs: parameters, and FLOPs of one image of so many pixels; or why it cannot be built so."""

    image_size: int
    parameters: int = 0
    flops: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Weights:
    """The pretrained weights of a network.

    there: whether there are any. size: bytes of the file on this machine; None where it is not here. source: where it would be
    downloaded from. licence: as its library names it, empty where it does not. classes: of its classifier. file: on this machine.
    tag: timm's name for these weights. tags: how many the network has; NAME.TAG names one of them.
    """

    there: bool
    size: int | None = None
    source: str = ""
    licence: str = ""
    classes: int = 0
    file: str = ""
    tag: str = ""
    tags: int = 0


def search(query: str, *, with_weights: bool = False, here: bool = False) -> list[str]:
    """Names of networks that have all words of the query: those first that begin with it, then the shortest. After them timm's names
    with the tag of their weights, such as resnet50.a1_in1k.

    with_weights: only networks with pretrained weights. here: only those whose weights are on this machine.
    """
    text = query.strip().lower()
    words = text[:100].split()
    tagged = [name for name in zoo.tagged() if text and all(word in name.lower() for word in words)]
    found = (*models.catalogue(text[:100]), *tagged)
    if here:
        found = tuple(name for name in (*found, *(() if text else zoo.tagged())) if name in _here())
    elif with_weights:
        found = tuple(name for name in found if _has_weights(name))
    return sorted(found, key=lambda name: ("." in name, not name.lower().startswith(text), len(name), name))


def on_this_machine() -> tuple[str, ...]:
    """The networks whose pretrained weights, with a classifier, are on this machine, by name."""
    return tuple(name for name in sorted(_here()) if _classes(name))


def weights(name: str) -> Weights:
    """What is known of a network's pretrained weights. Uses no network connection. Raises UserError for an unknown network."""
    zoo.check(name)
    if not _has_weights(name):
        return Weights(False)
    file = pretrained.found(name)
    config = None if name.startswith(zoo.TORCHVISION) else get_pretrained_cfg(name)
    licence = getattr(config, "license", None) or ""
    size = file.stat().st_size if file else None
    tag = str(getattr(config, "tag", None) or "")
    tags = sum(each.startswith(f"{name.partition('.')[0]}.") for each in zoo.tagged()) if tag else 0
    where = pretrained.source_url(name), str(licence), _classes(name), str(file or "")
    return Weights(True, size, *where, tag, tags)


def download(name: str) -> None:
    """Download a network's pretrained weights where they are not on this machine. Takes as long as that takes.

    Raises:
        UserError: there are none, the disk has no room, or they could not be downloaded.
    """
    if pretrained.found(name) is not None:
        return
    cost = costs.now(name, None)
    budget.check_free(Path(hub.HF_HUB_CACHE), SPARE_COPIES * FLOAT_BYTES * cost.parameters)
    classes = zoo.pretrained_classes(name)
    pretrained.pretrained(name, classes, zoo.default_image_size(name), download=True)
    forget_what_is_here()


class Costs:
    """Costs of networks, counted one after another in a thread, and kept in a file of the data folder."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Cost] | None = None
        self._waiting: queue.LifoQueue[tuple[str, int | None]] = queue.LifoQueue()
        self._asked: set[str] = set()
        self._thread: threading.Thread | None = None

    def get(self, name: str, image_size: int | None) -> Cost | None:
        """The cost of a network at an image size, or at its usual one; None while it is being counted."""
        key = _key(name, image_size)
        with self._lock:
            if (found := self._read().get(key)) or key in self._asked:
                return found
            self._asked.add(key)
            self._waiting.put((name, image_size))
            if self._thread is None:
                self._thread = threading.Thread(target=self._count_all, name="network-costs", daemon=True)
                self._thread.start()
        return None

    def now(self, name: str, image_size: int | None) -> Cost:
        """The same, counted in this thread where it is not known. Raises UserError for an unknown network."""
        with self._lock:
            found = self._read().get(_key(name, image_size))
        if found is None:
            found = _counted(name, image_size)
            self._keep(_key(name, image_size), found)
        return found

    def _count_all(self) -> None:
        while True:
            try:
                name, image_size = self._waiting.get_nowait()
            except queue.Empty:
                with self._lock:
                    if self._waiting.empty():
                        self._thread = None
                        self._write()
                        return
                continue
            key = _key(name, image_size)
            try:
                found = _counted(name, image_size)
            except (
                BaseException
            ) as error:  # a network that its library, or a plugin, cannot build must not end the thread
                words = str(error) if isinstance(error, UserError) else in_words(error)
                found = Cost(image_size or 0, problem=clipped(words, 300))
            self._keep(key, found)

    def _keep(self, key: str, cost: Cost) -> None:
        with self._lock:
            known = self._read()
            while len(known) >= MOST_KEPT:
                known.pop(next(iter(known)))
            known[key] = cost
            self._asked.discard(key)

    def _read(self) -> dict[str, Cost]:
        if self._known is None:
            self._known = {}
            with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
                plain = json.loads(reading.read_whole(_file(), LARGEST_FILE))
                self._known = {key: Cost(**cost) for key, cost in plain.items()} if isinstance(plain, dict) else {}
        return self._known

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # then they are counted again another time
            _file().parent.mkdir(parents=True, exist_ok=True)
            own = zoo.names()  # whose code may change while the libraries' stay as they are
            plain = {key: asdict(cost) for key, cost in self._read().items() if key.rpartition(" ")[0] not in own}
            atomic.write_text(_file(), json.dumps(plain), durable=False)


costs = Costs()
_present: tuple[float, frozenset[str]] | None = None


def forget_what_is_here() -> None:
    """Look anew for weights on this machine the next time."""
    global _present
    _present = None


def _here() -> frozenset[str]:
    """The networks whose weights are on this machine; a look takes a third of a second and is remembered."""
    global _present
    now = time.monotonic()
    if _present is None or now - _present[0] > FRESH_SECONDS:
        plain = (name for name in models.catalogue() if _has_weights(name) and pretrained.found(name))
        tagged = (name for name in zoo.tagged() if not _is_first(name) and pretrained.found(name))
        _present = now, frozenset((*plain, *tagged))
    return _present[1]


def _is_first(name: str) -> bool:
    """Whether a name without this tag means the same weights."""
    plain, _, tag = name.partition(".")
    config = get_pretrained_cfg(plain)
    return config is not None and config.tag == tag


def _has_weights(name: str) -> bool:
    try:
        return zoo.has_pretrained(name) or pretrained.found(name) is not None
    except UserError:
        return False


def _classes(name: str) -> int:
    try:
        return zoo.pretrained_classes(name)
    except UserError:
        return 0


def _counted(name: str, image_size: int | None) -> Cost:
    try:
        found: dict[str, Any] = models.describe(name, classes=_classes(name) or zoo.IMAGENET, image_size=image_size)
    except UserError as error:
        zoo.check(name)
        return Cost(image_size or zoo.default_image_size(name), problem=str(error))
    return Cost(found["image_size"], found["parameters"], found["flops"])


def _key(name: str, image_size: int | None) -> str:
    return f"{name} {image_size or zoo.default_image_size(name)}"


def _file() -> Path:
    known = versions.versions()
    return (
        paths.data_folder() / "networks" / f"costs-timm-{known.get('timm')}-torchvision-{known.get('torchvision')}.json"
    )
