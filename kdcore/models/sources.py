"""Finds trained weights by their reference in a recipe: bundled models, weight files, earlier runs."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kdcore import paths
from kdcore.errors import UserError
from kdcore.models import weight_files
from kdcore.recipe import ModelRecipe, Recipe, TeacherRecipe, references, weight_header, weight_places
from kdcore.recipe.references import Bundled, LibraryNetwork, Reference, RunNetwork, WeightFile
from kdcore.runtime.once import once

if TYPE_CHECKING:
    from kdcore.store import Store

TUNED = "teacher.safetensors"  # in the folder of a run that fine-tuned its teacher
NO_SNAPSHOTS = "it has no snapshots, like runs of earlier versions and recordings; train its recipe again to get them"


@dataclass(frozen=True)
class Source:
    """A network's tensors in a file: those that begin with `prefix`; and the file's description of it, if any.

    note: that it is an older checkpoint of a run, and why; empty for the newest.
    """

    path: Path
    prefix: str = ""
    description: dict[str, Any] | None = None
    note: str = ""


def bundled() -> dict[str, dict[str, Any]]:
    """The models that come with the project: name -> card."""
    folder = paths.ASSETS / "models"
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as there:
        files = sorted((each.path, each.stat().st_mtime_ns, each.stat().st_size) for each in there)
    return dict(_cards(tuple(files)))


@once(maxsize=4)
def _cards(files: tuple[tuple[str, int, int], ...]) -> dict[str, dict[str, Any]]:
    """The cards among these files, whose weights are among them too; read once."""
    known = {path for path, *_ in files}
    cards = [Path(path) for path in known if path.endswith(".json")]
    return {
        file.stem: json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(cards)
        if str(file.with_suffix(".safetensors")) in known
    }


def find(reference: str, runs: "Store | None" = None) -> Source | ModelRecipe:
    """Where the weights behind a reference lie. A run's teacher that was not fine-tuned is its recipe's teacher, and a
    library's network is a recipe of its name.

    Raises:
        ValueError: nothing is there; says what is.
    """
    match parsed := resolved(reference, runs):
        case RunNetwork():
            if runs is None:
                raise UserError(f"{reference} is a run, and no folder of runs was given to look in.")
            return _in_run(parsed, runs)
        case LibraryNetwork(name):
            return ModelRecipe(model=name, weights="pretrained")
        case WeightFile():
            return _file(weight_places.weight_file(parsed))
    return _file(weight_places.bundled_file(reference))


def resolved(reference: str, runs: "Store | None" = None) -> Reference:
    """A reference parsed; one that begins with a run's id is of that run, also without `run:`."""
    parsed = references.parse(reference)
    if isinstance(parsed, Bundled) and runs is not None and reference.partition("/")[0] in runs.ids():
        return references.parse(f"{references.RUN}{reference}")
    return parsed


def teacher_description(run_id: str, runs: "Store") -> dict[str, Any]:
    """The classes and image size that a run's teacher was used with, for a teacher that was not fine-tuned."""
    checkpoint = runs.whole_checkpoint(run_id)
    described = weight_header.description(checkpoint) if checkpoint else {}
    if {"classes", "image_size"} <= described.get("teacher", {}).keys():
        return described["teacher"]
    state, recipe = runs.state(run_id), runs.recipe(run_id)
    if not state.classes:
        raise UserError(f"Run {run_id} has not started, so its teacher's classes are not known yet.")
    return {"classes": list(state.classes), "image_size": recipe.teacher_size}


def _file(path: Path) -> Source:
    return Source(path, description=weight_header.description(path) or None)


def _in_run(reference: RunNetwork, runs: "Store") -> Source | ModelRecipe:
    run_id, network, step = reference.run_id, reference.network, reference.step
    recipe = runs.recipe(run_id)
    if network == "teacher":
        return _teacher(run_id, recipe, step, runs)
    prefix = f"{network}.net."
    checkpoint, note = _intact(run_id, network, prefix, runs) if step is None else (_snapshot(run_id, step, runs), "")
    described = weight_header.description(checkpoint)
    if network not in described or not weight_files.holds(checkpoint, prefix):
        raise UserError(f"Run {run_id} has no {network}.")
    return Source(checkpoint, prefix, described[network], note)


def _intact(run_id: str, network: str, prefix: str, runs: "Store") -> tuple[Path, str]:
    """The newest checkpoint of a run whose weights of a network can be read, and a note where it is not the last one."""
    found = runs.checkpoints(run_id)
    if not found:
        raise UserError(f"Run {run_id} has no checkpoint yet, so there is no {network} to load.")
    runs.whole_checkpoint(run_id)  # refuses a run without one
    for count, path in enumerate(found):
        described = {} if weight_files.damage(path, prefix) else weight_header.description(path)
        if "student" in described and (network not in described or weight_files.holds(path, prefix)):
            what = "the newest is" if count == 1 else f"the {count} newest are"
            return path, f"The {network} of run {run_id} is from its checkpoint {path.name}: {what} damaged." * bool(
                count
            )
    raise UserError(
        f"Run {run_id} has {len(found)} checkpoint{'s' * (len(found) > 1)}, and all are damaged: its {network} cannot be loaded. "
        "Train its recipe again."
    )


def _teacher(run_id: str, recipe: Recipe, step: int | None, runs: "Store") -> Source | ModelRecipe:
    if step is not None:
        raise UserError(f"The teacher of run {run_id} does not change: use run:{run_id}/teacher, without @{step}.")
    if recipe.teacher is None:
        raise UserError(f"Run {run_id} has no teacher.")
    if (file := runs.folder(run_id) / TUNED).is_file():
        return _file(file)
    if recipe.teacher.finetune is None:
        return _as_it_began(recipe.teacher, run_id, runs)
    raise UserError(f"The teacher of run {run_id} is not fine-tuned yet.")


def _as_it_began(spec: TeacherRecipe, run_id: str, runs: "Store") -> TeacherRecipe:
    """A teacher by the weights that it began with, where it is the teacher of an earlier run, and that of another, and so on."""
    met = {run_id}
    while isinstance(of := resolved(spec.weights, runs), RunNetwork) and of.network == "teacher":
        before = runs.recipe(of.run_id).teacher
        if of.step is not None or before is None or before.finetune or (runs.folder(of.run_id) / TUNED).is_file():
            break
        if of.run_id in met:
            raise UserError(
                f"The teacher of run {run_id} leads back to itself: the recipe of run {of.run_id} was changed."
            )
        met.add(of.run_id)
        spec = inherited(spec, before)
    return spec


Spec = TypeVar("Spec", bound=ModelRecipe)


def inherited(spec: Spec, source: ModelRecipe) -> Spec:
    """A network that is a run's teacher, by the recipe of that teacher: what it sets itself stays."""
    changed: dict[str, Any] = {"model": source.model, "weights": source.weights}
    changed |= {"options": {**source.options, **spec.options}, **_statistics(spec, source.mean, source.std)}
    if isinstance(spec, TeacherRecipe) and isinstance(source, TeacherRecipe):
        changed["map_classes"] = spec.map_classes or source.map_classes
    return spec.model_copy(update=changed)


def _snapshot(run_id: str, step: int, runs: "Store") -> Path:
    kept = runs.snapshots(run_id)
    if step in kept:
        return kept[step]
    there = f"its snapshots are of steps {', '.join(map(str, kept))}" if kept else NO_SNAPSHOTS
    raise UserError(f"Run {run_id} has no snapshot @{step}: {there}.")


def without_weights(spec: ModelRecipe, runs: "Store | None") -> ModelRecipe:
    """The same network by its name and normalisation alone: its weights do not change what it costs."""
    if spec.model is not None:
        return ModelRecipe(model=spec.model, options=spec.options, mean=spec.mean, std=spec.std)
    # a bundled model has it in its card, so no weights are read: the Train page needs it at every change of a setting
    described = bundled().get(spec.weights)
    if described is None:
        source = find(spec.weights, runs)
        if isinstance(source, ModelRecipe):  # a run's teacher that was not fine-tuned
            return without_weights(source.model_copy(update=_statistics(spec, source.mean, source.std)), runs)
        described = source.description or {}
    if "model" not in described:
        raise UserError(f"{spec.weights} does not say which model its weights belong to: name it in `model`.")
    return ModelRecipe(
        model=described["model"],
        options={**described.get("options", {}), **spec.options},
        **_statistics(spec, described.get("mean"), described.get("std")),
    )


def _statistics(spec: ModelRecipe, mean: Any, std: Any) -> dict[str, Any]:
    """The normalisation that a recipe gives, else that which its weights come with."""
    return {"mean": spec.mean or mean, "std": spec.std or std}
