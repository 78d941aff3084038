"""`evaluate`: the accuracy of a model on a split."""

from typing import Any

from cyclopts import App

from kdcore import recipe as recipes
from kdcore.cli.options import Device, Json, Overrides, noted, store, torch_device
from kdcore.errors import UserError
from kdcore.results import json_text

app = App(
    name="evaluate",
    help_epilogue="""Examples:

  python -m kdcore evaluate cues-student
  python -m kdcore evaluate cues-student --split cue_conflict --json
  python -m kdcore evaluate student.safetensors --set test_images=500
  python -m kdcore evaluate student.safetensors --data folder --path ~/photos""",
)


@app.default
def evaluate(
    model: str,
    /,
    *,
    data: str | None = None,
    path: str | None = None,
    split: str = "test",
    overrides: Overrides = None,
    device: Device = None,
    as_json: Json = False,
) -> int:
    """Measure a model on a split.

    Args:
        model: A bundled model, run:ID/student or a .safetensors file.
        data: Name of a dataset; `check-environment` lists them. Default: the dataset with the model's classes.
        path: Folder of class folders, for --data folder.
        split: test, validation, or another split of the dataset.
    """
    from kdcore import models
    from kdcore.data import loading
    from kdcore.training import evaluation

    place = torch_device(device)
    network = models.load(model, runs=store(), report=noted)
    chosen = {"name": data} if data else dataset_of(network.classes)
    plain = {"data": {**chosen, "path": path, "image_size": network.image_size}, "student": {"model": network.name}}
    recipe = recipes.from_plain(plain, source="the command line")
    recipe = recipes.with_overrides(recipe, [f"data.{change}" for change in overrides or ()])
    if network.classes != (known := loading.classes(recipe.data)):
        raise UserError(
            f"{model} has the classes {', '.join(network.classes)}; the data has {', '.join(known)}. Choose "
            "other data with --data, or the model's classes with --set only=[...]."
        )
    images = loading.load(recipe.data, split, device=place, report=lambda text: print(text), download=True)
    show(
        f"{model} on {chosen['name']}, {split}",
        evaluation.evaluate(network.to(place), images),
        network.classes,
        as_json,
    )
    return 0


def show(title: str, figures: dict[str, float], classes: tuple[str, ...], as_json: bool) -> None:
    """Print what was measured; accuracy with its interval."""
    from kdcore.results import metrics

    low, high = metrics.wilson(round(figures["top1"] * figures["count"]), int(figures["count"]))
    if as_json:
        print(json_text.text({**figures, "low": low, "high": high}))
        return
    print(f"{title}: accuracy {100 * figures['top1']:.2f} % (95 % interval {100 * low:.2f} % to {100 * high:.2f} %)")
    print(f"{int(figures['count'])} images, nll {figures['nll']:.3f} nats, calibration error {figures['ece']:.3f}")
    if "auroc" in figures:
        print(
            f"{classes[1]} against {classes[0]}: AUROC {figures['auroc']:.3f}, sensitivity "
            f"{100 * figures['sensitivity']:.1f} %, specificity {100 * figures['specificity']:.1f} %"
        )


def dataset_of(classes: tuple[str, ...]) -> dict[str, Any]:
    """The built-in dataset with these classes, as settings of a recipe. Raises UserError where there is none."""
    if found := built_in(classes):
        return found
    raise UserError("No built-in dataset has the model's classes. Name the data: --data folder --path FOLDER.")


def built_in(classes: tuple[str, ...]) -> dict[str, Any] | None:
    """The built-in dataset with these classes, as settings of a recipe; None where there is none."""
    from kdcore.data import datasets

    found = datasets.with_classes(classes)
    return {"name": found.name, "only": found.only} if found else None
