"""The one door for pages and the command line to ask a network about a photo: numpy and plain data in and out.

Every network sees the same square of the photo, the middle of it, and that square comes back with the answer, so that
heatmaps of any networks lie over the same picture.
"""

import contextlib
import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor

from kdcore import explain, models
from kdcore.explain import METHODS
from kdcore.models import Tapped
from kdcore.models.weights import Source, find
from kdcore.store import RunState, Store

DISPLAY = 384  # side in pixels of the square that comes back
KEPT = 6  # models in memory
BATCH = 16  # photos in one forward
NETWORKS = ("teacher", "student", "twin")
Plain = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """A network that can be asked. `grid` is (rows, columns) of its maps."""

    reference: str
    title: str
    subtitle: str
    kind: Literal["bundled", "run"]
    classes: tuple[str, ...]
    architecture: Literal["vit", "cnn"]
    grid: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Inspection:
    """What a network says of a photo, and where it looked.

    photo: uint8 [S, S, 3], the square of the photo that the network saw, at display size.
    heatmap: float32 [H, W] on the network's own grid, sum 1; NaN where `problem` says why there is none.
    predictions: the most probable classes with their probabilities, five at most.
    target: the class that the map explains; empty where the method is not about a class.
    layers, heads: how many there are to choose from for this method, 0 where it takes none.
    methods: every map that this network can have -> its (layers, heads).
    """

    reference: str
    title: str
    photo: np.ndarray
    heatmap: np.ndarray
    method: str
    predictions: list[tuple[str, float]]
    target: str
    layer: int | None
    head: int | None
    layers: int
    heads: int
    methods: dict[str, tuple[int, int]]
    classes: tuple[str, ...]
    seconds: float  # of the photo's share of the work, loading the model not counted
    problem: str = ""

    @property
    def grid(self) -> tuple[int, int]:
        return self.heatmap.shape[0], self.heatmap.shape[1]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several networks on one photo; `agreement` is that of each two maps, as `explain.agreement` gives it."""

    inspections: list[Inspection]
    agreement: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)


def choices(store: Store) -> list[Choice]:
    """What can be asked: the bundled models, then teacher, student and twin of every run that has a checkpoint."""
    found = []
    for name, card in models.bundled().items():
        accuracy = f"{card['accuracy']['top1']:.1%} right" if "accuracy" in card else ""
        found.append(_choice(name, title(name, store), "bundled", card, accuracy))
    for state in store.states():
        for network, described in _networks(state, store).items():
            reference = f"run:{state.id}/{network}"
            progress = f"{state.status}, epoch {state.epoch:g} of {state.epochs}"
            found.append(_choice(reference, title(reference, store), "run", described, progress))
    return found


def title(reference: str, store: Store) -> str:
    """A reference as a heading: a bundled model's name, `student of NAME` for a run's, a file's name."""
    run_id, _, network = reference.removeprefix("run:").partition("/")
    if run_id in store.ids():
        return f"{network or 'student'} of {store.state(run_id).name}"
    return str(models.bundled().get(reference, {}).get("title", Path(reference).name))


class Inspector:
    """Asks networks about photos. One for all threads: it keeps a few models, and answers one question at a time."""

    def __init__(self, store: Store, *, device: str = "cpu", threads: int | None = None) -> None:
        """`threads` is torch's for a question; one core is left to a run unless said."""
        self._store = store
        self._device = torch.device(device)
        self._threads = threads or max(1, (os.cpu_count() or 1) - 1)
        self._models: OrderedDict[tuple[str, int], Tapped] = OrderedDict()
        self._lock = threading.Lock()

    def inspect(
        self,
        pixels: np.ndarray,
        reference: str,
        *,
        method: str | None = None,
        layer: int | None = None,
        head: int | None = None,
        target: int | None = None,
    ) -> Inspection:
        """What a network says of a photo.

        Args:
            pixels: uint8 [H, W, 3].
            reference: a bundled model, `run:ID/student` or a .safetensors file; see `choices`.
            method: a name in `explain.METHODS`; the network's own map unless said, with layer and head where it has them.
            layer, head: for the methods that take them, from 0.
            target: the class to explain, by its place in `classes`; the predicted one unless said.

        Raises:
            ValueError: no such model, method, layer, head or class, or a map that this model cannot have; in plain words.
        """
        (found,) = self.inspect_many([pixels], reference, method=method, layer=layer, head=head, target=target)
        return found

    def inspect_many(
        self,
        photos: Sequence[np.ndarray],
        reference: str,
        *,
        method: str | None = None,
        layer: int | None = None,
        head: int | None = None,
        target: int | None = None,
    ) -> list[Inspection]:
        """Like `inspect` for several photos, which go through the network together."""
        squares = [_square(pixels) for pixels in photos]
        with self._lock, _torch_threads(self._threads):
            model, heading = self._model(reference), title(reference, self._store)
            chosen = method or explain.default_map(model)
            if method is None:
                card = METHODS[chosen]
                layer, head = layer if card.takes_layer else None, head if card.takes_head else None
            found: list[Inspection] = []
            for start in range(0, len(squares), BATCH):
                part = squares[start : start + BATCH]
                began = time.perf_counter()
                said = self._ask(model, part, chosen, layer, head, target)
                seconds = (time.perf_counter() - began) / len(part)
                found += [
                    _inspection(reference, heading, model, square, said, place, layer, head, seconds)
                    for place, square in enumerate(part)
                ]
        return found

    def compare(
        self,
        pixels: np.ndarray,
        references: Sequence[str],
        *,
        method: str | None = None,
        layer: int | None = None,
        head: int | None = None,
        target: int | None = None,
    ) -> Comparison:
        """One photo through several networks, and how far each two maps agree. Arguments as for `inspect`."""
        found = [
            self.inspect(pixels, reference, method=method, layer=layer, head=head, target=target)
            for reference in dict.fromkeys(references)
        ]
        pairs = {
            (one.reference, other.reference): explain.agreement(one.heatmap, other.heatmap)
            for one, other in combinations(found, 2)
        }
        return Comparison(found, pairs)

    def _ask(
        self,
        model: Tapped,
        squares: list[Image.Image],
        method: str,
        layer: int | None,
        head: int | None,
        target: int | None,
    ) -> explain.Explanation:
        images = _as_batch(squares, model.image_size).to(self._device)
        targets = None if target is None else torch.full((len(squares),), target, device=self._device)
        return explain.explain(model, images, method, target=targets, layer=layer, head=head)

    def _model(self, reference: str) -> Tapped:
        """From memory, unless its file has changed since."""
        source = find(reference, self._store)
        changed = source.path.stat().st_mtime_ns if isinstance(source, Source) else 0
        key = (reference, changed)
        if key not in self._models:
            for old in [known for known in self._models if known[0] == reference]:
                del self._models[old]
            model = models.load(reference, runs=self._store).to(self._device).eval().requires_grad_(False)
            self._models[key] = model
            while len(self._models) > KEPT:
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return self._models[key]


def _inspection(
    reference: str,
    heading: str,
    model: Tapped,
    square: Image.Image,
    said: explain.Explanation,
    place: int,
    layer: int | None,
    head: int | None,
    seconds: float,
) -> Inspection:
    probabilities = said.probabilities[place]
    best = np.argsort(-probabilities, kind="stable")[:5]
    methods = {name: explain.layers_and_heads(model, name) for name in explain.methods_for(model)}
    layers, heads = methods[said.method]
    return Inspection(
        reference=reference,
        title=heading,
        photo=np.asarray(square.resize((DISPLAY, DISPLAY), Image.Resampling.BICUBIC)),
        heatmap=said.heatmaps[place],
        method=said.method,
        predictions=[(model.classes[i], float(probabilities[i])) for i in best],
        target=model.classes[said.targets[place]] if METHODS[said.method].explains_class else "",
        layer=layer,
        head=head,
        layers=layers,
        heads=heads,
        methods=methods,
        classes=model.classes,
        seconds=seconds,
        problem=said.problems.get(place, ""),
    )


def _choice(reference: str, heading: str, kind: Literal["bundled", "run"], described: Plain, more: str) -> Choice:
    classes = tuple(described["classes"])
    options = json.dumps(described.get("options", {}), sort_keys=True)
    architecture, grid = _architecture(described["model"], len(classes), described["image_size"], options)
    subtitle = f"{described['model']}, {described['image_size']} px" + (f", {more}" if more else "")
    return Choice(reference, heading, subtitle, kind, classes, architecture, grid)


@lru_cache(maxsize=256)
def _architecture(
    model: str, classes: int, image_size: int, options: str
) -> tuple[Literal["vit", "cnn"], tuple[int, int]]:
    """What kind of network this is and the grid of its own map. Built without weights, once."""
    told = models.describe(model, classes=classes, image_size=image_size, options=json.loads(options))
    _, rows, columns = (told["attention"] or told["features"])[-1]
    return ("vit" if told["attention"] else "cnn"), (rows, columns)


def _networks(state: RunState, store: Store) -> dict[str, Plain]:
    """The networks of a run that can be loaded, with what its newest checkpoint says of them."""
    path = store.checkpoint(state.id)
    if path is None:
        return {}
    try:
        with safe_open(path, framework="np") as file:
            described: dict[str, Plain] = json.loads((file.metadata() or {}).get("kdcore", "{}"))
    except (OSError, SafetensorError):  # a newer one is taking its place this moment, or it is damaged
        return {}
    teacher = store.recipe(state.id).teacher
    random = teacher is not None and teacher.weights == "none"
    if random and not (store.folder(state.id) / "teacher.safetensors").is_file():
        described.pop("teacher", None)  # its weights are nowhere, so it could only be loaded as another network
    return {network: described[network] for network in NETWORKS if network in described}


def _square(pixels: np.ndarray) -> Image.Image:
    """The middle of a photo. Cutting first and resizing then is the same as resizing the shorter side and cutting."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ValueError(f"A photo should be uint8 [H, W, 3], not {pixels.dtype} {list(pixels.shape)}.")
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return Image.fromarray(np.ascontiguousarray(pixels[top : top + side, left : left + side]))


def _as_batch(squares: list[Image.Image], image_size: int) -> Tensor:
    """[B, 3, S, S] in [0, 1]; resized as `data.folder` does: bilinear, over all that falls on a pixel (antialiased)."""
    resized = [np.array(s.resize((image_size, image_size), Image.Resampling.BILINEAR)) for s in squares]
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).float() / 255


@contextlib.contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """torch's number of threads is each Python thread's own: set where it computes, and put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
