"""The networks that can be inspected: bundled models, imported ones, those of runs, and pretrained ones of the libraries."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kdcore import models
from kdcore.errors import UserError
from kdcore.inspection import run_plugins
from kdcore.models import zoo
from kdcore.recipe import TeacherRecipe, imported_weights, weight_header
from kdcore.recipe.references import LibraryNetwork, RandomWeights, RunNetwork, WeightFile
from kdcore.runtime.once import once
from kdcore.store import RunState, Store

NETWORKS = ("teacher", "student", "twin")
Plain = dict[str, Any]
Kind = Literal["bundled", "imported", "run", "library"]


@dataclass(frozen=True)
class Choice:
    """A network that can be inspected. `grid` is (rows, columns) of its maps."""

    reference: str
    title: str
    subtitle: str
    kind: Kind
    classes: tuple[str, ...]
    architecture: Literal["vit", "cnn"]
    grid: tuple[int, int]
    image_size: int = 0


@dataclass(frozen=True)
class LeftOut:
    """Networks that are no choices: those of a run, or imported weights. why: a sentence with what to do."""

    title: str
    run_id: str
    why: str


def choices(store: Store) -> list[Choice]:
    """The bundled models, imported ones that predict classes, then teacher, student and twin of every run with a checkpoint.

    Pretrained networks of the libraries are a choice each, see `library_choice`.
    """
    return _all(store)[0]


def left_out(store: Store) -> list[LeftOut]:
    """Runs and imported weights whose networks cannot be built here, as without the plugin that has them."""
    return list(_all(store)[1].values())


def _all(store: Store) -> tuple[list[Choice], dict[str, LeftOut]]:
    """The choices, and what is left out by its run or reference."""
    found: list[Choice] = []
    left: dict[str, LeftOut] = {}
    for name, card in models.bundled().items():
        accuracy = f"{100 * card['accuracy']['top1']:.1f} % right" if "accuracy" in card else ""
        found.append(_choice(name, title(name, store), "bundled", card, accuracy))
    for each in imported_weights.listing():
        if {"model", "image_size"} <= each.described.keys() and each.described.get("classes"):
            try:
                found.append(_choice(each.reference, each.name, "imported", each.described, "imported"))
            except UserError as error:
                left[each.reference] = LeftOut(each.name, "", str(error))
    for state in store.states():
        for network, described in _networks(state, store).items():
            reference = str(RunNetwork(state.id, network))
            progress = f"{state.status}, epoch {state.epoch:g} of {state.epochs}"
            try:
                found.append(_choice(reference, title(reference, store), "run", described, progress))
            except UserError as error:  # a header that names a network which cannot be built
                left.setdefault(state.id, LeftOut(state.name, state.id, _missing(state.id, store) or str(error)))
    return found, left


def _missing(run_id: str, store: Store) -> str:
    """Which plugins of a run are not loaded, as a sentence; empty where there are none."""
    recorded = [entry["plugin"] for entry in store.environment(run_id)[-1:] if entry.get("plugin")]
    return run_plugins.missing(recorded[0]) if recorded else ""


def library_choice(name: str) -> Choice:
    """A network of a library with its pretrained weights, which need not be on this machine. Takes up to a second, once.

    Raises:
        UserError: there is no such network, or its pretrained weights have no classifier.
    """
    zoo.check(name)
    count = zoo.pretrained_classes(name)
    if not count:
        raise UserError(f"There are no pretrained weights of {name} that predict classes.")
    described = {
        "model": name, "classes": zoo.names_of_outputs(name, count), "image_size": zoo.default_image_size(name),
    }  # fmt: skip
    reference = str(LibraryNetwork(name))
    return _choice(reference, library_title(name), "library", described, f"{count:,} classes")


def library_title(name: str) -> str:
    return f"{name}, pretrained"


def title(reference: str, store: Store) -> str:
    """A reference as a heading: a bundled model's name, `student of NAME` for a run's, a file's name."""
    source = models.resolved(reference, store)
    if isinstance(source, LibraryNetwork):
        return library_title(source.name)
    if isinstance(source, WeightFile) and reference.startswith(f"{imported_weights.FOLDER}/"):
        return Path(reference).stem
    if isinstance(source, RunNetwork) and source.run_id in store.ids():
        return f"{source.network} of {store.state(source.run_id).name}"
    return str(models.bundled().get(reference, {}).get("title", Path(reference).name))


def _choice(reference: str, heading: str, kind: Kind, described: Plain, more: str) -> Choice:
    classes = tuple(described["classes"])
    options = json.dumps(described.get("options", {}), sort_keys=True)
    architecture, grid = _architecture(described["model"], len(classes), described["image_size"], options)
    subtitle = f"{described['model']}, {described['image_size']} px" + (f", {more}" if more else "")
    return Choice(reference, heading, subtitle, kind, classes, architecture, grid, described["image_size"])


@once(maxsize=256)
def _architecture(
    model: str, classes: int, image_size: int, options: str
) -> tuple[Literal["vit", "cnn"], tuple[int, int]]:
    """What kind of network this is and the grid of its own map. Built without weights, once."""
    shapes = models.shapes_only(model, classes=classes, image_size=image_size, options=json.loads(options)).shapes()
    _, rows, columns = (shapes.attention or shapes.features)[-1]
    return ("vit" if shapes.attention else "cnn"), (rows, columns)


def _networks(state: RunState, store: Store) -> dict[str, Plain]:
    """The networks of a run that can be loaded, as its newest checkpoint describes them."""
    try:
        path = store.whole_checkpoint(state.id)
        if path is None:
            return {}
        described: dict[str, Plain] = weight_header.description(path)
        teacher = store.recipe(state.id).teacher
    except UserError:  # a newer one is just replacing it, or it is damaged
        return {}
    if _is_random(teacher, store.folder(state.id)):
        described.pop("teacher", None)  # it could only be loaded as another network
    return {
        network: described[network]
        for network in NETWORKS
        if {"model", "image_size"} <= described.get(network, {}).keys() and described[network].get("classes")
    }


def without_teacher(run_id: str, store: Store) -> str:
    """Why a run's teacher is not among the choices though its student may be; empty where it is, or where the run has none.

    Raises:
        UserError: there is no such run.
    """
    teacher = store.recipe(run_id).teacher
    if teacher is None or "teacher" in (found := _networks(store.state(run_id), store)) or not found:
        return ""
    if _is_random(teacher, store.folder(run_id)):
        return "The teacher of this run is not shown: it has random weights, which were not saved."
    return "The teacher of this run is not shown: it has no classifier, so it predicts no classes."


def _is_random(teacher: TeacherRecipe | None, folder: Path) -> bool:
    """Whether a run's teacher has random weights that were not saved."""
    random = teacher is not None and isinstance(teacher.reference, RandomWeights)
    return random and not (folder / "teacher.safetensors").is_file()
