"""From Python: recipes, runs, networks, heatmaps and comparisons. `import kdcore as kd` offers what is here.

    run = kd.distill("quick", epochs=3)        # with a progress bar, in a terminal or a notebook
    print(run)                                 # what may be claimed of student and twin
    student = run.network("student")           # a torch module: images [B, 3, H, W] in [0, 1] -> logits [B, K]

Runs are stored where the app and the command line store them (`KD_RUNS`), so the app shows them too, live.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdcore import models, plugins
from kdcore import recipe as recipes
from kdcore.checks import before_run
from kdcore.cli import options, progress, weights
from kdcore.cli.export import Format, write
from kdcore.data import datasets
from kdcore.errors import UserError, shortened
from kdcore.explain import Explanation, heatmaps
from kdcore.models import Tapped
from kdcore.recipe import Recipe, library
from kdcore.results.comparison import (
    Compared,
    Conclusion,
    Summary,
    claim,
    conclude,
    sentence,
    summarise,
    with_student,
)
from kdcore.setup import build as _setup
from kdcore.store import RunState, Store
from kdcore.training.loop import train
from kdcore.training.state import Parts

__all__ = [
    "Comparison",
    "Recipe",
    "Run",
    "build",
    "compare",
    "distill",
    "explain",
    "import_weights",
    "load",
    "load_recipe",
    "prune",
    "run",
    "train",
    "use_plugins",
]

RecipeLike = Recipe | Mapping[str, Any] | str | Path
Picture = str | Path | np.ndarray | Tensor


@dataclass(frozen=True)
class Run:
    """A run on disk. What it says is read when it is asked for, so a run in progress can be watched.

    id: as the app and `python -m kdcore runs` show it.
    """

    id: str
    store: Store = field(repr=False, compare=False)

    @property
    def folder(self) -> Path:
        return self.store.folder(self.id)

    @property
    def state(self) -> RunState:
        """Status, progress, latest validation metrics, notes and warnings."""
        return self.store.state(self.id)

    @property
    def recipe(self) -> Recipe:
        return self.store.recipe(self.id)

    @property
    def results(self) -> dict[str, dict[str, float]]:
        """Network -> metric -> value on the test images, as fractions; empty until the run has finished."""
        return self.state.results

    @property
    def curves(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Name -> (steps, values), such as `loss/student/total` and `top1/twin`; see `Store.series` for all names."""
        return self.store.series(self.id)

    def network(self, name: str = "student") -> Tapped:
        """The run's student, twin or teacher, in eval mode. Raises UserError where it has none, or no checkpoint yet."""
        return load(f"run:{self.id}/{name}", store=self.store)

    def export(
        self,
        out: str | Path,
        format: Format | None = None,
        *,
        network: str = "student",
        licence: str = "unknown",
    ) -> str:
        """Write the student, twin or teacher for other programs; returns what was written and measured, in sentences.

        `out` is a .safetensors or .onnx file, or for `hub` a new folder. `format` is safetensors, onnx, int8 (ONNX, calibrated on
        validation images) or hub, by the ending of `out` unless given; `licence` is for hub's model card. See docs/deploy.md.
        """
        reference = f"run:{self.id}/{network}"
        return "\n".join(write(reference, Path(out).expanduser(), format, licence=licence, runs=self.store))

    def __str__(self) -> str:
        state = self.state
        if state.status != "finished":
            return f"{state.name} ({self.id}): {state.status}" + (f". {state.reason}" if state.reason else "")
        return f"{state.name} ({self.id}): {sentence(summarise([self.store.outcome(self.id)]))}"


@dataclass(frozen=True)
class Comparison:
    """What runs show together; printed, it is the sentence that may be claimed.

    summary: each network's figures with intervals, as fractions, and student - twin.
    difference: the conclusion on student - twin, or on student - the other runs' student; None where there is none.
    """

    summary: Summary
    difference: Conclusion | None
    words: str = field(repr=False)

    def __str__(self) -> str:
        return self.words


def load_recipe(source: RecipeLike, **settings: Any) -> Recipe:
    """A recipe by its name in assets/recipes, from a YAML file, a mapping, or another recipe.

    Args:
        settings: values that replace the recipe's, such as `epochs=3` or `data={"labels": 500}`; a mapping replaces only the
            settings that it names, a list all of it.

    Raises:
        RecipeError: there is no such recipe, or a setting is unknown or out of its range.
    """
    made = _recipe(source)
    return recipes.with_values(made, _dotted(settings), source="the settings of the call") if settings else made


def distill(
    source: RecipeLike, *, seed: int | None = None, device: str | None = None, show: bool = True, **settings: Any
) -> Run:
    """Train a student, and its twin where the recipe has one; returns when the run has ended.

    An interruption (Ctrl-C, or a notebook's stop button) stops the run with a checkpoint and returns it.

    Args:
        source: as for `load_recipe`, with `settings`.
        seed: of initialisation, batches and augmentation; the recipe's first unless given.
        device: cpu, cuda, cuda:1 or mps; a GPU where there is one.
        show: a progress bar and the results.

    Raises:
        UserError: something does not fit, which is reported before the run; or the run failed.
    """
    made = load_recipe(source, **settings)
    made = recipes.with_values(
        made, {"seeds": [made.seeds[0] if seed is None else seed]}, source="the seed of the call"
    )
    store = options.store()
    before_run.check(made, store, options.torch_device(device))
    with progress.running(device=device, quiet=not show) as (runner, watcher):
        (run_id,) = runner.start(made)
        progress.follow(runner, [run_id], watcher)
    ended = Run(run_id, store)
    if ended.state.status == "failed":
        raise UserError(f"The run {run_id} failed. {ended.state.reason}")
    return ended


def use_plugins(*paths: str | Path) -> None:
    """Use methods, networks, heatmaps, datasets and test sets of your own, from Python files or folders of them.

    They are found by their files' names, here and in processes that are started from here; see docs/plugins.md.

    Raises:
        UserError: a file cannot be used; with file and line.
    """
    for path in paths:
        plugins.use(path)


def prune(
    network: Run | str,
    to: float = 0.5,
    score: str = "attention",
    *,
    epochs: int = 5,
    device: str | None = None,
    show: bool = True,
    **settings: Any,
) -> Run:
    """Prune a run's student and fine-tune it by distillation as a new run, which is returned when it has ended.

    Args:
        network: a run (its student), `run:ID/student` or `run:ID/twin`.
        to: the share of multiply-accumulates to keep, above 0 and below 1.
        score: by which channels are kept: attention (where the teacher looks), energy, magnitude or random.
        epochs: of fine-tuning, with the recipe of that run.
        settings: values that replace the recipe's, as for `load_recipe`.

    Raises:
        UserError: the network cannot be pruned so, or the run failed.
    """
    from kdcore.pruning import students

    store, reference = options.store(), f"run:{network.id}/student" if isinstance(network, Run) else network
    place = options.torch_device(device)
    file = students.prune_student(reference, store, to, students.known(score), device=place, report=options.noted)
    return distill(students.fine_tuning(file, store, epochs), device=device, show=show, **settings)


def import_weights(
    files: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    model: str | None = None,
    classes: str | Path | Sequence[str] | None = None,
    image_size: int | None = None,
    ema: bool = True,
    prefix: str | None = None,
    show: bool = True,
) -> str:
    """Turn weights of a training script, timm or the hub into a .safetensors file; returns its path for a recipe's `weights`.

    Args:
        files: of `torch.save` or .safetensors, or a folder with config.json. No code in them is run.
        model: the network's name, where the files do not name it.
        classes: names in the order of the outputs, a folder of class folders, or a dataset's name; else as the files say.
        image_size: side of its input in pixels; else what the files say, or the network's usual one.
        ema: take averaged weights where a file has them beside others.
        prefix: use the tensors whose names begin with it, where a file has several networks.
        show: print each choice and change.

    Raises:
        UserError: a file holds no weights, they are another network's, or its name or classes are missing.
    """
    sources = [Path(each).expanduser() for each in ([files] if isinstance(files, str | Path) else files)]
    target = Path(out).expanduser()
    weights.check_out(target)
    with options.writing(target):
        models.import_weights(
            sources, model, _class_names(classes), image_size, out=target, ema=ema, prefix=prefix or "",
            report=options.noted if show else lambda text: None,
        )  # fmt: skip
    return str(target)


def run(run_id: str) -> Run:
    """An earlier run by its id. Raises UserError where there is none."""
    found = Run(run_id, options.store())
    _ = found.folder
    return found


def build(source: RecipeLike, *, seed: int = 0, device: str | None = None, **settings: Any) -> Parts:
    """The parts of a run for a training loop of your own: `for event in kd.train(kd.build("quick")): ...`.

    Nothing is written to disk, and `train` is a generator of events that ends with `RunFinished`.
    """
    building = _setup.build_parts(
        load_recipe(source, **settings), seed=seed, device=options.torch_device(device), runs=options.store()
    )
    while True:
        try:
            next(building)
        except StopIteration as ended:
            parts: Parts = ended.value
            return parts


def load(reference: str | Path, *, store: Store | None = None) -> Tapped:
    """A trained network: a bundled model's name, `run:ID/student` (or twin, teacher), or a .safetensors file.

    It takes images [B, 3, H, W] in [0, 1], normalises them itself, and has `classes` and `image_size`.

    Raises:
        UserError: there is no such network, or its weights cannot be used.
    """
    return models.load(str(reference), runs=store or options.store(), report=options.noted)


def explain(network: Tapped | Run | str, image: Picture, map: str | None = None, **options_of_map: Any) -> Explanation:
    """A network's heatmap and predictions for one image or a batch.

    Args:
        network: a network, a run (its student) or a reference as for `load`.
        image: a file, uint8 [H, W, 3], or a tensor [3, S, S] or [B, 3, S, S] in [0, 1] at the network's size. Files and
            arrays are cut to their middle square and resized.
        map: a name of `python -m kdcore explain --help`; the network's own unless given.
        options_of_map: layer, head, target (class numbers [B]), as the map takes them.

    Returns:
        `heatmaps` float32 [B, h, w] that sum to 1, `probabilities` [B, K], `targets` [B], and `problems` by place.

    Raises:
        UserError: no such file or map, a map that this network does not have, or an image that cannot be read.
    """
    model = network if isinstance(network, Tapped) else network.network() if isinstance(network, Run) else load(network)
    return heatmaps.explain(model, _batch(image, model), map or heatmaps.default_map(model), **options_of_map)


def compare(runs: Run | Sequence[Run], against: Run | Sequence[Run] | None = None) -> Comparison:
    """What may be claimed of student and twin, or of the students of two recipes.

    Args:
        runs: one run, or the runs of one recipe with several seeds (three or more for an interval over seeds).
        against: runs of another recipe with the same seeds and test images, whose student is compared with.

    Raises:
        UserError: a run has not finished, runs differ in more than their seed, or no seed is shared.
    """
    own = _outcomes(_listed(runs))
    summary = summarise(list(own.values()))
    if against is None:
        return Comparison(summary, summary.difference, sentence(summary))
    others = _outcomes(_listed(against))
    if not (shared := sorted(own.keys() & others.keys())):
        raise UserError(
            f"The runs share no seed: {sorted(own)} and {sorted(others)}. Train both recipes with the same seeds."
        )
    pairs = tuple(with_student(own[seed], others[seed]) for seed in shared)
    found = conclude(Compared(pairs, len(shared)))
    return Comparison(summary, found, claim(found, "the student", "the other student"))


def _recipe(source: RecipeLike) -> Recipe:
    if isinstance(source, Recipe):
        return source
    if isinstance(source, Mapping):
        return recipes.from_plain(dict(source), source="the recipe of the call")
    return library.recipe(str(source))


def _dotted(settings: Mapping[str, Any], parents: str = "") -> dict[str, Any]:
    """Nested settings by dotted keys: {"data": {"labels": 500}} -> {"data.labels": 500}."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        key = f"{parents}{name}"
        flat |= _dotted(value, f"{key}.") if isinstance(value, Mapping) and value else {key: value}
    return flat


def _class_names(classes: str | Path | Sequence[str] | None) -> tuple[str, ...] | None:
    if classes is None or not isinstance(classes, str | Path):
        return None if classes is None else tuple(classes)
    if classes in datasets.names():
        return weights.class_names(str(classes), None, None)
    return weights.class_names(None, str(Path(classes).expanduser().absolute()), None)


def _listed(runs: Run | Sequence[Run]) -> list[Run]:
    listed = [runs] if isinstance(runs, Run) else list(runs)
    if not listed:
        raise UserError("There are no runs to compare. Give one, or several of one recipe.")
    return listed


def _outcomes(runs: list[Run]) -> dict[int, Any]:
    """Seed -> outcome."""
    if unfinished := [each.id for each in runs if each.state.status != "finished"]:
        raise UserError(f"Not finished, so without results: {', '.join(unfinished)}.")
    seeds = [each.recipe.seeds[0] for each in runs]
    if twice := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
        raise UserError(
            f"Several runs have the seed {', '.join(map(str, twice))}. Give one run for each seed, or compare recipes with "
            "kd.compare(runs, against=others)."
        )
    groups = runs[0].store.by_recipe([each.id for each in runs])
    if len(runs) > 1 and max(map(len, groups), default=0) < len(runs):  # a fork is in no group
        raise UserError(
            "These runs differ in more than their seed. Compare recipes with kd.compare(runs, against=others)."
        )
    return {seed: each.store.outcome(each.id) for seed, each in zip(seeds, runs, strict=True)}


def _batch(image: Picture, model: Tapped) -> Tensor:
    """[B, 3, S, S] in [0, 1] on the network's device."""
    device = model.mean.device
    if isinstance(image, Tensor):
        return _checked(image.unsqueeze(0) if image.ndim == 3 else image, model.image_size).to(device)
    from kdcore import photos
    from kdcore.inspection.preprocessing import as_batch, square

    if isinstance(image, str | Path):
        path = Path(image).expanduser()
        if not path.is_file():
            raise UserError(f"There is no file {shortened(str(path))}. Give the path of an image, such as photo.jpg.")
        image = photos.read(path.read_bytes(), path.name).pixels
    return as_batch([square(image)], model.image_size).to(device)


def _checked(images: Tensor, side: int) -> Tensor:
    if images.ndim != 4 or tuple(images.shape[1:]) != (3, side, side) or not images.is_floating_point():
        raise UserError(
            f"Images should be floats [B, 3, {side}, {side}] in [0, 1], not {str(images.dtype).removeprefix('torch.')} "
            f"{list(images.shape)}. A file or a uint8 array [H, W, 3] is resized for you."
        )
    low, high = torch.aminmax(images)
    if not (low >= 0 and high <= 1):
        raise UserError(
            f"Images should be in [0, 1], not in [{low:.3g}, {high:.3g}]: each network normalises for itself."
        )
    return images


class _CallablePackage(types.ModuleType):
    """`kdcore.explain` is a package; `import kdcore as kd` offers it as a function too: `kd.explain(network, image)`."""

    __call__ = staticmethod(explain)


sys.modules["kdcore.explain"].__class__ = _CallablePackage
