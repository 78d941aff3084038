"""The Inspector: maps and predictions of networks for photos."""

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kdcore import explain, models
from kdcore.errors import NotFinite, UserError
from kdcore.explain import grids
from kdcore.explain.quality.agreement import Controlled, with_controls
from kdcore.explain.quality.faithfulness import Faithfulness, faithfulness
from kdcore.explain.quality.localization import centre_prior
from kdcore.explain.quality.randomization import untrained
from kdcore.inspection.model_cache import ModelCache, torch_threads
from kdcore.inspection.networks import title
from kdcore.inspection.preprocessing import as_batch, displayed, square
from kdcore.inspection.requests import MapRequest, Resolved, layer_at, resolve
from kdcore.inspection.results import Affinity, Atlas, Comparison, Course, Glance, Inspection, OverTime
from kdcore.models import Tapped
from kdcore.models.sources import NO_SNAPSHOTS, Source, find
from kdcore.recipe.references import RunNetwork
from kdcore.runtime import cores
from kdcore.store import Store

BATCH = 16  # photos in one forward
TOP = 5  # predictions that come back


class Inspector:
    """Maps and predictions of networks for photos. One for all threads: it keeps a few models and works on one call at a time.

    Photos are uint8 [H, W, 3]; a `reference` is a bundled model, `run:ID/student` or a .safetensors file, see `choices`;
    `request` are the fields of a `MapRequest`. Every method raises UserError: no such model, map, layer, head or class, or a
    map that is not defined for this model.
    """

    def __init__(self, store: Store, *, device: str = "cpu", threads: int | None = None) -> None:
        """`threads` is torch's during a call; unless given, one core is left to a run."""
        self._store = store
        self._device = torch.device(device)
        self._threads = threads or cores.beside_pages()
        self._models = ModelCache(store, self._device)
        self._lock = threading.Lock()

    def inspect(self, pixels: np.ndarray, reference: str, **request: Any) -> Inspection:
        """A network's predictions and map for a photo."""
        (found,) = self.inspect_many([pixels], reference, **request)
        return found

    def inspect_many(self, photos: Sequence[np.ndarray], reference: str, **request: Any) -> list[Inspection]:
        """Like `inspect` for several photos, in batches."""
        wanted, squares = MapRequest(**request), [square(pixels) for pixels in photos]
        with self._lock, torch_threads(self._threads):
            model, heading = self._models.get(reference), self._heading(reference)
            resolved = resolve(model, wanted)
            found: list[Inspection] = []
            for start in range(0, len(squares), BATCH):
                part = squares[start : start + BATCH]
                began = time.perf_counter()
                explained = self._explain(model, part, resolved)
                seconds = (time.perf_counter() - began) / len(part)
                found += [
                    _inspection(reference, heading, model, one, explained, place, wanted, resolved, seconds)
                    for place, one in enumerate(part)
                ]
        return found

    def glance(self, pixels: np.ndarray, references: Sequence[str], map_name: str | None = None) -> list[Glance]:
        """A camera's frame through several networks: one map and the likeliest class of each, and nothing that takes longer.

        A network that does not have the map shows its counterpart. Raises UserError also for a map of more than one pass.
        """
        if map_name and not explain.map_card(map_name).one_pass:
            known = ", ".join(name for name, card in explain.map_cards().items() if card.one_pass)
            raise UserError(
                f"{explain.map_card(map_name).title} takes more than one pass a frame. Maps of one pass: {known}."
            )
        one, request = square(pixels), MapRequest(map_name=map_name, substitute=True)
        with self._lock, torch_threads(self._threads):
            return [self._glance(one, reference, request) for reference in references]

    def _glance(self, one: Image.Image, reference: str, request: MapRequest) -> Glance:
        model = self._models.get(reference)
        explained = self._explain(model, [one], resolve(model, request))
        likely = int(explained.probabilities[0].argmax())
        return Glance(
            reference=reference,
            map_name=explained.map_name,
            heatmap=explained.heatmaps[0],
            prediction=model.classes[likely],
            probability=float(explained.probabilities[0, likely]),
            problem=explained.problems.get(0, ""),
        )

    def compare(self, pixels: np.ndarray, references: Sequence[str], **request: Any) -> Comparison:
        """One photo through several networks, with the agreement of each two maps."""
        found = [self.inspect(pixels, reference, **request) for reference in dict.fromkeys(references)]
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
        """What every patch of a photo attends to, or resembles, in a network: all patches at once.

        For a head that the network does not have, the mean of its heads.
        """
        with self._lock, torch_threads(self._threads):
            model = self._models.get(reference)
            layers, heads = explain.layers_and_heads(model, explain.affinity_map(model))
            layer = layer if depth is None else layer_at(depth, layers)
            head = head if head is not None and head < heads else None
            images = self._images(model, [square(pixels)])
            found, grid = explain.affinity(model, images, largest=grids.LARGEST, layer=layer, head=head)
        return Affinity(found[0], grid, heads > 0, layer, head)

    def atlas(self, pixels: np.ndarray, reference: str, **request: Any) -> Atlas:
        """A map at every layer and head of a network; layer and head of the request are ignored."""
        with self._lock, torch_threads(self._threads):
            model = self._models.get(reference)
            resolved = resolve(model, MapRequest(**request))
            options = {name: value for name, value in resolved.options.items() if name not in ("layer", "head")}
            images = self._images(model, [square(pixels)])
            maps = explain.every_map(model, images, resolved.map_name, **self._batched(options, 1))
        found = [layer[0] for layer in maps]
        return Atlas(resolved.map_name, found, [[grids.entropy(head) for head in layer] for layer in found])

    def over_time(self, pixels: np.ndarray, run_id: str, requests: Mapping[str, Mapping[str, Any]]) -> OverTime:
        """Maps and predictions of a run's networks for a photo, at each snapshot and at the newest checkpoint.

        A network of a snapshot is loaded, run and dropped; those in memory stay there.

        Args:
            requests: teacher, student or twin -> the fields of its `MapRequest`.

        Raises:
            UserError: also for a run without snapshots.
        """
        steps, snapshots = self._snapshots(run_id)
        one = square(pixels)
        courses = {
            network: self._course(
                one,
                [str(RunNetwork(run_id, network, at)) for at in (snapshots if network != "teacher" else [None])],
                MapRequest(**request),
            )
            for network, request in requests.items()
        }
        state = self._store.state(run_id)
        epochs = [step * state.epochs / max(1, state.steps) for step in steps]
        return OverTime(displayed(one), steps, epochs, courses)

    def _snapshots(self, run_id: str) -> tuple[list[int], list[int | None]]:
        """The steps of a run whose networks can be loaded, and the snapshot of each; None for the newest checkpoint."""
        if not self._store.snapshots(run_id):
            raise UserError(f"Run {run_id} cannot be shown over its epochs: {NO_SNAPSHOTS}.")
        steps = list(self._store.whole_snapshots(run_id))
        if not steps:
            raise UserError(f"Run {run_id} cannot be shown over its epochs: all its snapshots are damaged.")
        snapshots: list[int | None] = [*steps]
        newest = self._newest(run_id)
        if newest and int(newest.stem) > steps[-1]:
            steps, snapshots = [*steps, int(newest.stem)], [*snapshots, None]
        return steps, snapshots

    def _heading(self, reference: str) -> str:
        """The title of a network, and its checkpoint where that is not the newest."""
        source, heading = find(reference, self._store), title(reference, self._store)
        if isinstance(source, Source) and source.note:
            return f"{heading} (from {source.path.name}: newer checkpoints are damaged)"
        return heading

    def _newest(self, run_id: str) -> Path | None:
        """The newest checkpoint whose student can be read; None where there is none."""
        with contextlib.suppress(UserError):
            source = find(str(RunNetwork(run_id, "student")), self._store)
            return source.path if isinstance(source, Source) else None
        return None

    def _course(self, one: Image.Image, references: Sequence[str], request: MapRequest) -> Course:
        """NaN at a step whose network diverged. Raises UserError where all have."""
        found: list[explain.Explanation | None] = []
        for reference in references:
            with self._lock, torch_threads(self._threads):  # released in between, so that other calls need not wait
                try:
                    model = models.load(reference, runs=self._store).eval().requires_grad_(False).to(self._device)
                    found.append(self._explain(model, [one], resolve(model, request)))
                except NotFinite:
                    if not any(found) and reference == references[-1]:
                        raise
                    found.append(None)
        known = next(each for each in found if each is not None)
        heatmaps = [each.heatmaps[0] if each else np.full_like(known.heatmaps[0], np.nan) for each in found]
        likely = [each.probabilities[0] if each else np.full_like(known.probabilities[0], np.nan) for each in found]
        return Course(known.map_name, np.stack(heatmaps), np.stack(likely), model.classes)

    def faithfulness(self, pixels: np.ndarray, reference: str, **request: Any) -> Faithfulness:
        """The probability of a class as patches are deleted and inserted: in the order of the requested map (row 0), and from
        the middle outwards (row 1), which needs no network; a faithful map beats the second row.

        The class is the one that the map explains; for a map that depends on no class, the predicted one.

        Raises:
            UserError: also where the map is empty for this photo.
        """
        with self._lock, torch_threads(self._threads):
            model = self._models.get(reference)
            resolved = resolve(model, MapRequest(**request))
            one = square(pixels)
            explained = self._explain(model, [one], resolved)
            if explained.problems:
                raise UserError(f"{explain.map_card(resolved.map_name).title} is empty here: {explained.problems[0]}")
            maps = np.stack([explained.heatmaps[0], centre_prior(explained.heatmaps.shape[1:]).astype(np.float32)])
            images = self._images(model, [one]).repeat(2, 1, 1, 1)
            return faithfulness(model, images, maps, explained.targets.repeat(2))

    def agreement(
        self, photos: Sequence[np.ndarray], student: str, teacher: str, **request: Any
    ) -> dict[str, Controlled]:
        """The agreement of two networks' maps over photos, each metric beside its controls; see `with_controls`.

        The control `untrained` is a network like `student` with random weights.
        """
        one, other = (_stacked(self.inspect_many(photos, each, **request)) for each in (student, teacher))
        with self._lock, torch_threads(self._threads):
            fresh = untrained(self._models.get(student))
            resolved = resolve(fresh, MapRequest(**request))
            squares = [square(pixels) for pixels in photos]
            before = [
                self._explain(fresh, squares[start : start + BATCH], resolved).heatmaps
                for start in range(0, len(squares), BATCH)
            ]
        return with_controls(one, other, centre_prior(other.shape[1:]), np.concatenate(before))

    def _explain(self, model: Tapped, squares: Sequence[Image.Image], resolved: Resolved) -> explain.Explanation:
        options = self._batched(resolved.options, len(squares))
        return explain.explain(model, self._images(model, squares), resolved.map_name, **options)

    def _images(self, model: Tapped, squares: Sequence[Image.Image]) -> Tensor:
        return as_batch(squares, model.image_size).to(self._device)

    def _batched(self, options: dict[str, Any], count: int) -> dict[str, Any]:
        """The same class for each photo of a batch."""
        return {
            name: torch.full((count,), value, device=self._device) if name in ("target", "against") else value
            for name, value in options.items()
        }


def _inspection(
    reference: str, heading: str, model: Tapped, one: Image.Image, explained: explain.Explanation, place: int,
    request: MapRequest, resolved: Resolved, seconds: float,
) -> Inspection:  # fmt: skip
    probabilities, options = explained.probabilities[place], resolved.options
    explains = explain.map_card(resolved.map_name).explains_class
    best = np.argsort(-probabilities, kind="stable")[:TOP]
    maps = {name: explain.layers_and_heads(model, name) for name in explain.maps_for(model)}
    layers, heads = maps[resolved.map_name]
    return Inspection(
        reference=reference,
        title=heading,
        photo=displayed(one),
        heatmap=explained.heatmaps[place],
        map_name=resolved.map_name,
        predictions=[(model.classes[i], float(probabilities[i])) for i in best],
        target=model.classes[explained.targets[place]] if explains else "",
        against=model.classes[options["against"]] if explains and "against" in options else "",
        layer=options.get("layer"),
        head=options.get("head"),
        layers=layers,
        heads=heads,
        maps=maps,
        classes=model.classes,
        seconds=seconds,
        problem=explained.problems.get(place, ""),
        instead_of=request.map_name or "" if resolved.lacking else "",
        lacking=resolved.lacking,
    )


def _stacked(found: list[Inspection]) -> np.ndarray:
    """[n, H, W]"""
    return np.stack([each.heatmap for each in found])
