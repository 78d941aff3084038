"""`distill` trains a student from a recipe; `train-teacher` trains one network with labels alone."""

from typing import Annotated

from cyclopts import App, Parameter

from kdcore import recipe as recipes
from kdcore.checks import names, preflight
from kdcore.cli import data as folder
from kdcore.cli import dynamic_attention_flags, progress
from kdcore.cli.options import Device, EventFolder, JsonEvents, Overrides, Seeds, store, torch_device
from kdcore.recipe import DataRecipe, Recipe, RecipeError, library

FLAGGED_RECIPE = "dynamic-attention"  # whose flags --alpha and --temp are

app = App(
    name="distill",
    help_epilogue="""Examples:

  python -m kdcore distill quick                  student and twin, 2 to 4 minutes
  python -m kdcore distill quick --seeds 0 1 2    mean of three seeds
  python -m kdcore distill my.yaml --set epochs=3 --set data.labels=500
  python -m kdcore distill --alpha 0.7 --temp 3   recipe dynamic-attention
  python -m kdcore distill quick --tensorboard logs   then: tensorboard --logdir logs
  python -m kdcore distill quick --json > events.jsonl
  torchrun --nproc-per-node 2 -m kdcore distill my.yaml       on two GPUs""",
)
teacher_app = App(
    name="train-teacher",
    help_epilogue="""Examples:

  python -m kdcore train-teacher resnet20 --data cifar10 --epochs 30
  python -m kdcore train-teacher resnet20 --data folder --path ~/photos
  python -m kdcore train-teacher --recipe dynamic-attention  its teacher""",
)


@app.default
def distill(
    recipe: str | None = None,
    *,
    overrides: Overrides = None,
    seeds: Seeds = None,
    alpha: float | None = None,
    temp: float | None = None,
    name: str | None = None,
    device: Device = None,
    tensorboard: EventFolder = None,
    as_json: JsonEvents = False,
) -> int:
    """Train a student from a recipe.

    Args:
        recipe: Name of a recipe (assets/recipes) or path of a YAML file.
        alpha: Weight of the attention term; the kd term gets 1 - ALPHA. Default recipe: dynamic-attention.
        temp: Temperature of the kd term, or the value its schedule starts at.
        name: Name of the run. Default: the recipe's.
    """
    name_of_recipe = recipe or (FLAGGED_RECIPE if alpha is not None or temp is not None else None)
    if name_of_recipe is None:
        known = ", ".join(library.recipe_names())
        raise RecipeError(f"Which recipe? For example: python -m kdcore distill quick. Known: {known}.")
    chosen = dynamic_attention_flags.applied(library.recipe(name_of_recipe), alpha, temp)
    return train(chosen, overrides, seeds, name, device, as_json, tensorboard)


@teacher_app.default
def train_teacher(
    model: str = "small_vit_patch8_64",
    /,
    *,
    recipe: str | None = None,
    data: str = DataRecipe().name,
    path: str | None = None,
    image_size: int | None = None,
    epochs: int | None = None,
    weights: str = "none",
    overrides: Overrides = None,
    seeds: Seeds = None,
    name: Annotated[str | None, Parameter(help="Name of the run.")] = None,
    device: Device = None,
    tensorboard: EventFolder = None,
    as_json: JsonEvents = False,
) -> int:
    """Train one network with labels alone.

    Args:
        model: Name of a model.
        recipe: Take model, weights, data and learning rate from the teacher of this recipe.
        data: Name of a dataset; `check-environment` lists them.
        path: Folder of class folders, for --data folder.
        image_size: Side of the images in pixels. Default: the model's own.
        epochs: Default: 10, or as many as the recipe fine-tunes its teacher.
        weights: none, pretrained, a bundled model, run:ID/student or a file.
    """
    if recipe:
        chosen = teacher_of(recipe, epochs)
    else:
        chosen = labels_alone(model, data, path=path, image_size=image_size, epochs=epochs or 10, weights=weights)
    return train(chosen, overrides, seeds, name, device, as_json, tensorboard)


def train(
    recipe: Recipe,
    overrides: list[str] | None,
    seeds: list[int] | None,
    name: str | None,
    device: str | None,
    as_json: bool,
    tensorboard: EventFolder = None,
) -> int:
    """Run a recipe with changed settings, one run per seed. Returns the exit status."""
    recipe = recipes.with_overrides(recipe, overrides or [], option="--set")
    if seeds:
        given = f"the recipe with --seeds {' '.join(map(str, seeds))}"
        recipe = recipes.with_values(recipe, {"seeds": seeds}, source=given)
    if name:
        recipe = recipes.with_values(recipe, {"name": name}, source="the recipe with --name")
    refuse_what_cannot_run(recipe, device)
    shown = folder.show_before(recipe.data)
    with progress.running(device=device, as_json=as_json, shown=shown, tensorboard=tensorboard) as (runner, watcher):
        return progress.follow(runner, runner.start(recipe), watcher)


def refuse_what_cannot_run(recipe: Recipe, device: str | None) -> None:
    """Raises UserError: first what is known without torch, which takes seconds to load."""
    preflight.check(recipe, store())
    from kdcore.checks import before_run

    before_run.check(recipe, store(), torch_device(device))


def teacher_of(name: str, epochs: int | None) -> Recipe:
    """A recipe's teacher as the student of a recipe without a teacher."""
    recipe = library.recipe(name)
    if recipe.teacher is None:
        raise RecipeError(f"The recipe {name} has no teacher that could be trained.")
    tuned = recipe.teacher.finetune
    plain = {
        "name": f"teacher of {recipe.name}"[:80],
        "data": {**recipe.data.model_dump(mode="json"), "labels": "all", "label_noise": 0.0},
        "student": recipe.teacher.model_dump(mode="json", include={"model", "weights", "mean", "std", "options"}),
        "optimizer": {"lr": tuned.lr if tuned else 1e-4},
        "epochs": epochs or (tuned.epochs if tuned else 10),
        "precision": recipe.precision,
    }
    return recipes.from_plain(plain, source=f"the teacher of {name}")


def labels_alone(
    model: str, data: str, *, path: str | None, image_size: int | None, epochs: int, weights: str
) -> Recipe:
    """A recipe that trains a model on a dataset without a teacher."""
    names.check(recipes.from_plain({"student": {"model": model}}, source="the command line"))  # before torch is loaded
    from kdcore import models

    plain = {
        "name": f"{model} on {data}"[:80],
        "data": {
            "name": data,
            "path": path,
            "image_size": image_size or models.default_image_size(model),
            "augment": ["flip", "crop"],
        },
        "student": {"model": model, "weights": weights},
        "epochs": epochs,
    }
    return recipes.from_plain(plain, source="the command line")
