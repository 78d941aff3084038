"""The Inspector: it keeps a few models and answers questions about photos."""

import contextlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kdcore import explain, models
from kdcore.errors import UserError
from kdcore.explain import METHODS, all_layers
from kdcore.explain.quality.agreement import Controlled, with_controls
from kdcore.explain.quality.faithfulness import Faithfulness, faithfulness
from kdcore.explain.quality.localization import centre_prior
from kdcore.inspection.networks import title
from kdcore.inspection.preprocessing import as_batch, displayed, square
from kdcore.inspection.questions import Affinity, Atlas, Comparison, Course, Inspection, OverTime, Question
from kdcore.models import Tapped
from kdcore.models.sources import NO_SNAPSHOTS, Source, find
from kdcore.recipe import ModelRecipe
from kdcore.store import Store

KEPT = 6  # models in memory
BATCH = 16  # photos in one forward
TOP = 5  # predictions that come back
UNTRAINED_SEED = 0


class Inspector:
    """Asks networks about photos. One for all threads: it keeps a few models, and answers one question at a time.

    Photos are uint8 [H, W, 3]; a `reference` is a bundled model, `run:ID/student` or a .safetensors file, see `choices`;
    `asked` are the fields of a `Question`. Every door raises ValueError in plain words: no such model, method, layer, head
    or class, or a map that this model cannot have.
    """

    def __init__(self, store: Store, *, device: str = "cpu", threads: int | None = None) -> None:
        """`threads` is torch's for a question; one core is left to a run unless said."""
        self._store = store
        self._device = torch.device(device)
        self._threads = threads or max(1, (os.cpu_count() or 1) - 1)
        self._models: OrderedDict[tuple[str, int], Tapped] = OrderedDict()
        self._lock = threading.Lock()

    def inspect(self, pixels: np.ndarray, reference: str, **asked: Any) -> Inspection:
        """What a network says of a photo, and where it looked."""
        (found,) = self.inspect_many([pixels], reference, **asked)
        return found

    def inspect_many(self, photos: Sequence[np.ndarray], reference: str, **asked: Any) -> list[Inspection]:
        """Like `inspect` for several photos, which go through the network together."""
        squares = [square(pixels) for pixels in photos]
        with self._lock, torch_threads(self._threads):
            model, heading = self._model(reference), title(reference, self._store)
            method, ask = _settled(model, Question(**asked))
            found: list[Inspection] = []
            for start in range(0, len(squares), BATCH):
                part = squares[start : start + BATCH]
                began = time.perf_counter()
                said = explain.explain(model, self._images(model, part), method, **self._each(ask, len(part)))
                seconds = (time.perf_counter() - began) / len(part)
                found += [
                    _inspection(reference, heading, model, one, said, place, ask, seconds)
                    for place, one in enumerate(part)
                ]
        return found

    def compare(self, pixels: np.ndarray, references: Sequence[str], **asked: Any) -> Comparison:
        """One photo through several networks, and how far each two maps agree."""
        found = [self.inspect(pixels, reference, **asked) for reference in dict.fromkeys(references)]
        pairs = {
            (one.reference, other.reference): explain.agreement(one.heatmap, other.heatmap)
            for one, other in combinations(found, 2)
        }
        return Comparison(found, pairs)

    def affinity(
        self,
        pixels: np.ndarray,
        reference: str,
        *,
        layer: int | None = None,
        depth: float | None = None,
        head: int | None = None,
    ) -> Affinity:
        """What every patch of a photo attends to, or resembles, in a network: one answer for all patches.

        A head that the network does not have is the mean of its heads.
        """
        with self._lock, torch_threads(self._threads):
            model = self._model(reference)
            method = "patch_attention" if model.has_attention else "self_similarity"
            layers, heads = explain.layers_and_heads(model, method)
            layer = layer if depth is None else _layer_at(depth, layers)
            head = head if head is not None and head < heads else None
            images = self._images(model, [square(pixels)])
            found, grid = explain.affinity(model, images, largest=all_layers.LARGEST, layer=layer, head=head)
        return Affinity(found[0], grid, model.has_attention, layer, head)

    def atlas(self, pixels: np.ndarray, reference: str, **asked: Any) -> Atlas:
        """A method at every layer and head of a network; the question's own layer and head are left out."""
        with self._lock, torch_threads(self._threads):
            model = self._model(reference)
            method, ask = _settled(model, Question(**asked))
            ask = {name: value for name, value in ask.items() if name not in ("layer", "head")}
            maps = explain.every_map(model, self._images(model, [square(pixels)]), method, **self._each(ask, 1))
        found = [layer[0] for layer in maps]
        return Atlas(method, found, [[all_layers.entropy(head) for head in layer] for layer in found])

    def over_time(self, pixels: np.ndarray, run_id: str, networks: Mapping[str, Mapping[str, Any]]) -> OverTime:
        """What the networks of a run made of a photo along the way: at each of its snapshots, and at its newest checkpoint.

        A past network is read, asked and forgotten, so that those in memory stay there.

        Args:
            networks: teacher, student or twin -> what is asked of it.

        Raises:
            ValueError: also for a run that kept no snapshots.
        """
        if not self._store.snapshots(run_id):
            raise UserError(f"Run {run_id} cannot be looked at over time: {NO_SNAPSHOTS}.")
        steps = list(self._store.whole_snapshots(run_id))
        if not steps:
            raise UserError(f"Run {run_id} cannot be looked at over time: all its snapshots are damaged.")
        moments = [f"@{step}" for step in steps]
        newest = self._store.whole_checkpoint(run_id)
        if newest and int(newest.stem) > steps[-1]:
            steps, moments = [*steps, int(newest.stem)], [*moments, ""]
        one, courses = square(pixels), {}
        for network, asked in networks.items():
            when = moments if network != "teacher" else [""]
            courses[network] = self._course(
                one, [f"run:{run_id}/{network}{moment}" for moment in when], Question(**asked)
            )
        state = self._store.state(run_id)
        epochs = [step * state.epochs / max(1, state.steps) for step in steps]
        return OverTime(displayed(one), steps, epochs, courses)

    def _course(self, one: Image.Image, references: Sequence[str], question: Question) -> Course:
        heatmaps, probabilities = [], []
        for reference in references:
            with self._lock, torch_threads(self._threads):  # let go in between: other questions are quicker
                model = models.load(reference, runs=self._store).eval().requires_grad_(False).to(self._device)
                method, ask = _settled(model, question)
                said = explain.explain(model, self._images(model, [one]), method, **self._each(ask, 1))
            heatmaps.append(said.heatmaps[0])
            probabilities.append(said.probabilities[0])
        return Course(method, np.stack(heatmaps), np.stack(probabilities), model.classes)

    def faithfulness(self, pixels: np.ndarray, reference: str, **asked: Any) -> Faithfulness:
        """How the answer changes as patches are deleted and inserted: in the order of the map that was asked for (row 0), and
        from the middle outwards (row 1), which needs no network; so a map that follows the answer beats the second row.

        The class followed is the one that is explained; for a map that is about no class, the one that the network names.

        Raises:
            ValueError: also where the photo has no such map.
        """
        with self._lock, torch_threads(self._threads):
            model = self._model(reference)
            method, ask = _settled(model, Question(**asked))
            images = self._images(model, [square(pixels)])
            ask = self._each(ask, 1)
            said = explain.explain(model, images, method, **ask)
            if said.problems:
                raise UserError(f"{METHODS[method].title} gives no map here: {said.problems[0]}")
            maps = np.stack([said.heatmaps[0], centre_prior(said.heatmaps.shape[1:]).astype(np.float32)])
            return faithfulness(model, images.repeat(2, 1, 1, 1), maps, said.targets.repeat(2))

    def agreement(self, photos: Sequence[np.ndarray], ours: str, theirs: str, **asked: Any) -> dict[str, Controlled]:
        """How far two networks' maps agree over photos, each figure beside its controls: see `explain.agreement`.

        `untrained` is a network like `ours` with random weights.
        """
        question = Question(**asked)
        mine, other = (_stacked(self.inspect_many(photos, each, **asked)) for each in (ours, theirs))
        with self._lock, torch_threads(self._threads):
            trained = self._model(ours)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(UNTRAINED_SEED)
                fresh = models.build(
                    ModelRecipe(model=trained.name, options=trained.options), trained.classes, trained.image_size
                )
            fresh = fresh.to(self._device).eval().requires_grad_(False)
            method, ask = _settled(fresh, question)
            squares = [square(pixels) for pixels in photos]
            before = [
                explain.explain(fresh, self._images(fresh, part), method, **self._each(ask, len(part))).heatmaps
                for part in (squares[start : start + BATCH] for start in range(0, len(squares), BATCH))
            ]
        return with_controls(mine, other, centre_prior(other.shape[1:]), np.concatenate(before))

    def _images(self, model: Tapped, squares: Sequence[Image.Image]) -> Tensor:
        return as_batch(squares, model.image_size).to(self._device)

    def _each(self, ask: dict[str, Any], count: int) -> dict[str, Any]:
        """The same class for each photo of a batch."""
        return {
            name: torch.full((count,), value, device=self._device) if name in ("target", "against") else value
            for name, value in ask.items()
        }

    def _model(self, reference: str) -> Tapped:
        """From memory, unless its file has changed since."""
        source = find(reference, self._store)
        changed = source.path.stat().st_mtime_ns if isinstance(source, Source) else 0
        key = (reference, changed)
        if key not in self._models:
            for old in [known for known in self._models if known[0] == reference]:
                del self._models[old]
            self._models[key] = explain.ready(models.load(reference, runs=self._store).to(self._device))
            while len(self._models) > KEPT:
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return self._models[key]


def _settled(model: Tapped, question: Question) -> tuple[str, dict[str, Any]]:
    """The method, and what is asked of it, for this network; classes by their place.

    A network's own map takes only what it has; a method that was named refuses what it does not take.
    """
    method = question.method or explain.default_map(model)
    asked: dict[str, Any] = {"layer": question.layer, "head": question.head, "query": question.query}
    card = METHODS.get(method)
    if question.depth is not None and card and card.takes_layer:
        asked["layer"] = _layer_at(question.depth, explain.layers_and_heads(model, method)[0])
    if question.method is None:
        takes = {
            "layer": METHODS[method].takes_layer,
            "head": METHODS[method].takes_head,
            "query": METHODS[method].takes_query,
        }
        asked = {name: value for name, value in asked.items() if takes[name]}
    asked["target"] = _class(model, question.target)
    if question.method is not None:
        asked["against"] = _class(model, question.against)
    return method, {name: value for name, value in asked.items() if value is not None}


def _layer_at(depth: float, layers: int) -> int:
    return round(depth * (layers - 1))


def _class(model: Tapped, named: int | str | None) -> int | None:
    if not isinstance(named, str):
        if named is not None and not 0 <= named < len(model.classes):
            raise UserError(f"There is no class {named}: this network has classes 0 to {len(model.classes) - 1}.")
        return named
    if named not in model.classes:
        known = ", ".join(model.classes[:12]) + (", ..." if len(model.classes) > 12 else "")
        raise UserError(f"It was never taught the class {named!r}. It knows {len(model.classes)}: {known}.")
    return model.classes.index(named)


def _inspection(
    reference: str, heading: str, model: Tapped, one: Image.Image, said: explain.Explanation, place: int, ask: dict[str, Any],
    seconds: float,
) -> Inspection:  # fmt: skip
    probabilities, explains = said.probabilities[place], METHODS[said.method].explains_class
    best = np.argsort(-probabilities, kind="stable")[:TOP]
    methods = {name: explain.layers_and_heads(model, name) for name in explain.methods_for(model)}
    layers, heads = methods[said.method]
    return Inspection(
        reference=reference,
        title=heading,
        photo=displayed(one),
        heatmap=said.heatmaps[place],
        method=said.method,
        predictions=[(model.classes[i], float(probabilities[i])) for i in best],
        target=model.classes[said.targets[place]] if explains else "",
        against=model.classes[ask["against"]] if explains and "against" in ask else "",
        layer=ask.get("layer"),
        head=ask.get("head"),
        layers=layers,
        heads=heads,
        methods=methods,
        classes=model.classes,
        seconds=seconds,
        problem=said.problems.get(place, ""),
    )


def _stacked(found: list[Inspection]) -> np.ndarray:
    """[n, H, W]"""
    return np.stack([each.heatmap for each in found])


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """torch's number of threads is each Python thread's own: set where it computes, and put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
