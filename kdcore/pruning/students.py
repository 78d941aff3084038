"""A run's student, pruned: its weight file, and the recipe that fine-tunes it by distillation as a new run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from kdcore import models
from kdcore import recipe as recipes
from kdcore.data import loading
from kdcore.data.split import Split
from kdcore.errors import UserError, shortened
from kdcore.files import atomic, disk
from kdcore.models import Tapped
from kdcore.models.pruned import in_words
from kdcore.paths import weights_folder
from kdcore.pruning.pruning import Pruned, planned, prune
from kdcore.pruning.scores import SCORES, Score
from kdcore.recipe import Recipe, weight_header
from kdcore.recipe.references import SAFETENSORS, RunNetwork
from kdcore.store import ACTIVE, Store
from kdcore.training import evaluation

IMAGES = 512  # training images that a score is measured on


def prune_student(
    reference: str,
    store: Store,
    to: float,
    score: Score,
    *,
    images: int = IMAGES,
    map_name: str | None = None,
    out: Path | None = None,
    device: torch.device | str = "cpu",
    report: Callable[[str], None] = lambda text: None,
) -> Path:
    """Prune the student or twin of a run, measure it on the run's test images, and write it as a weight file; returns the file.

    Its header says what it was pruned from, see `models.pruned.in_words`.

    The score is measured on the first of the run's training images, without augmentation and labels; test images only report.

    Args:
        images: how many training images, at most.
        map_name: the teacher's heatmap; its own unless given.
        out: the file; else one in `weights/` of the data folder, with a name of its own.

    Raises:
        UserError: no such run, one in progress, one without a teacher for `attention`, or a network that cannot be pruned so.
    """
    source = of_run(reference, store)
    recipe = store.recipe(source.run_id).of_run()
    if score == "attention" and recipe.teacher is None:
        raise UserError(
            f"Run {source.run_id} has no teacher, so there is nowhere that it looks: choose --score energy, magnitude or random."
        )
    model = models.load(str(source), runs=store, report=report).to(device)
    planned(model, to)  # what cannot be pruned is refused before images are read
    teacher = models.load(f"run:{source.run_id}/teacher", runs=store).to(device) if score == "attention" else None
    train = loading.load(recipe.data, "train", device=device, report=report, first=images)
    given: dict[str, Any] = {"images": train.images, "teacher": teacher, "map_name": map_name}
    found = prune(model, to, score, **given, seed=recipe.seeds[0])
    if found.blank:
        report(
            f"The teacher has no heatmap for {found.blank} of {len(train)} images: there, every place counts the same."
        )
    test = loading.load(recipe.data, "test", device=device, report=report)
    measured = str(source), found, (_accuracy(model, test), _accuracy(found.model, test)), len(test)
    if out:
        _write(out, *measured)
        return out
    names = _names(f"{source.run_id}-{source.network}-{score}-{to:g}")
    with disk.in_words(names[0].parent, then="prune it again"):
        names[0].parent.mkdir(parents=True, exist_ok=True)
        with atomic.staging(names[0]) as staging:
            _write(written := staging / names[0].name, *measured)
            return atomic.take_free_name(written, names)


def fine_tuning(file: Path, store: Store, epochs: int) -> Recipe:
    """The recipe of the run that a pruned network comes from, with the pruned weights to start from and other epochs.

    It has one seed, that of the run; the warm-up takes the same share of the epochs.

    Raises:
        RecipeError: the epochs are out of range.
    """
    described = weight_header.description(file)["pruning"]
    recipe = store.recipe(of_run(described["of"], store).run_id)
    before, after = described["macs"]
    own = file.parent == weights_folder()
    changes: dict[str, Any] = {
        "name": f"{recipe.name}, {100 * after / before:.0f} % of MACs by {described['score']}"[:80],
        "note": f"{in_words(described)} Fine-tuned with the recipe of that run.",
        "student": {"weights": file.name if own else str(file.absolute())},
        "epochs": epochs,
        "lr.warmup_epochs": recipe.lr.warmup_epochs * epochs / recipe.epochs,
        "seeds": [recipe.seeds[0]],
    }
    return recipes.with_values(recipe, changes, source="the recipe of the run that is pruned")


def of_run(reference: str, store: Store) -> RunNetwork:
    """A reference to the student or twin of a run that has ended. Raises UserError for others."""
    source = models.resolved(reference, store)
    if not isinstance(source, RunNetwork) or source.network == "teacher":
        raise UserError(
            f"{reference} is not the student or twin of a run, whose recipe says how to fine-tune: give run:ID/student, with an ID of "
            "`python -m kdcore runs`."
        )
    if (status := store.state(source.run_id).status) in ACTIVE:
        raise UserError(f"Run {source.run_id} is {status}. Prune its {source.network} when it has ended.")
    return source


def known(score: str) -> Score:
    """A score by its name. Raises UserError where there is none."""
    found = next((each for each in SCORES if each == score), None)
    if found is None:
        raise UserError(f"There is no score {shortened(score)}. Scores: {', '.join(SCORES)}.")
    return found


def _write(file: Path, of: str, found: Pruned, top1: tuple[float, float], images: int) -> None:
    """The pruned network with its origin in the header."""
    units = {kind: list(counts) for kind, counts in found.units.items()}
    sizes = {"macs": list(found.macs), "parameters": list(found.parameters), "units": units}
    origin = {"of": of, "score": found.score, **sizes, "top1": list(top1), "images": images}
    with disk.in_words(file.parent, then="prune it again"):
        file.parent.mkdir(parents=True, exist_ok=True)
        models.save(found.model, file, card={"pruning": origin})


def _accuracy(model: Tapped, test: Split) -> float:
    return evaluation.evaluate(model, test)["top1"]


def _names(name: str) -> list[Path]:
    """Names for a file in `weights/` of the data folder, with a number where earlier ones have those before."""
    folder = weights_folder()
    return [folder / f"{each}{SAFETENSORS}" for each in (name, *(f"{name}-{number}" for number in range(2, 1000)))]
