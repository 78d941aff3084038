"""The networks that can be inspected: bundled models, and those of runs with a checkpoint."""

import contextlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from kdcore import models
from kdcore.errors import UserError
from kdcore.recipe import TeacherRecipe, weight_header
from kdcore.recipe.references import RandomWeights, RunNetwork
from kdcore.store import RunState, Store

NETWORKS = ("teacher", "student", "twin")
Plain = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """A network that can be inspected. `grid` is (rows, columns) of its maps."""

    reference: str
    title: str
    subtitle: str
    kind: Literal["bundled", "run"]
    classes: tuple[str, ...]
    architecture: Literal["vit", "cnn"]
    grid: tuple[int, int]
    image_size: int = 0


def choices(store: Store) -> list[Choice]:
    """The bundled models, then teacher, student and twin of every run that has a checkpoint."""
    found = []
    for name, card in models.bundled().items():
        accuracy = f"{100 * card['accuracy']['top1']:.1f} % right" if "accuracy" in card else ""
        found.append(_choice(name, title(name, store), "bundled", card, accuracy))
    for state in store.states():
        for network, described in _networks(state, store).items():
            reference = str(RunNetwork(state.id, network))
            progress = f"{state.status}, epoch {state.epoch:g} of {state.epochs}"
            with contextlib.suppress(UserError):  # a header that names a network which cannot be built
                found.append(_choice(reference, title(reference, store), "run", described, progress))
    return found


def title(reference: str, store: Store) -> str:
    """A reference as a heading: a bundled model's name, `student of NAME` for a run's, a file's name."""
    source = models.resolved(reference, store)
    if isinstance(source, RunNetwork) and source.run_id in store.ids():
        return f"{source.network} of {store.state(source.run_id).name}"
    return str(models.bundled().get(reference, {}).get("title", Path(reference).name))


def _choice(reference: str, heading: str, kind: Literal["bundled", "run"], described: Plain, more: str) -> Choice:
    classes = tuple(described["classes"])
    options = json.dumps(described.get("options", {}), sort_keys=True)
    architecture, grid = _architecture(described["model"], len(classes), described["image_size"], options)
    subtitle = f"{described['model']}, {described['image_size']} px" + (f", {more}" if more else "")
    return Choice(reference, heading, subtitle, kind, classes, architecture, grid, described["image_size"])


@lru_cache(maxsize=256)
def _architecture(
    model: str, classes: int, image_size: int, options: str
) -> tuple[Literal["vit", "cnn"], tuple[int, int]]:
    """What kind of network this is and the grid of its own map. Built without weights, once."""
    described = models.describe(model, classes=classes, image_size=image_size, options=json.loads(options))
    _, rows, columns = (described["attention"] or described["features"])[-1]
    return ("vit" if described["attention"] else "cnn"), (rows, columns)


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
