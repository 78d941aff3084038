"""`prune` removes channels of a run's student, then fine-tunes it by distillation as a new run."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from kdcore import recipe as recipes
from kdcore.cli import progress
from kdcore.cli.distill import refuse_what_cannot_run
from kdcore.cli.options import Device, JsonEvents, Overrides, noted, store, torch_device, writing
from kdcore.cli.weights import check_out
from kdcore.errors import UserError
from kdcore.recipe import Recipe, weight_header

app = App(
    name="prune",
    help_epilogue="""Scores, by which the channels of a layer are ordered:

  attention   energy that a channel brings into the layers that read it, where the teacher looks
  energy      the same, wherever it is: without the teacher
  magnitude   norm of its weights
  random      random numbers, the control

Networks: CNNs, and vision transformers, of which hidden units of the MLPs and whole heads of timm's
attention are removed. What cannot be pruned is refused before anything is measured.

Every score leads to a network of the same shape. The new run starts from the pruned
weights and has the recipe of the run that they come from; --set changes it.

Examples:

  python -m kdcore prune run:ID/student --to 0.5 --epochs 5
  python -m kdcore prune run:ID/student --to 0.25 --score magnitude --set optimizer.lr=1e-3
  python -m kdcore prune run:ID/student --to 0.5 --epochs 0 --out half.safetensors   no fine-tuning""",
)


@app.default
def prune(
    model: str,
    /,
    *,
    to: float = 0.5,
    score: str = "attention",
    epochs: int = 5,
    images: int = 512,
    map_name: Annotated[str | None, Parameter(name="--map")] = None,
    out: Path | None = None,
    overrides: Overrides = None,
    name: str | None = None,
    device: Device = None,
    as_json: JsonEvents = False,
) -> int:
    """Prune a run's student and fine-tune it by distillation as a new run.

    Args:
        model: run:ID/student, or run:ID/twin.
        to: Share of the multiply-accumulates (MACs) to keep, above 0 and below 1.
        score: attention, energy, magnitude or random.
        epochs: Of fine-tuning. 0: write the pruned weights only.
        images: Training images that the score is measured on, at most.
        map_name: Heatmap of the teacher, for attention. Default: its own.
        out: The .safetensors file of the pruned weights. Default: a new one in weights/ of the data folder.
        name: Name of the new run.
    """
    if epochs < 0 or images < 1:
        raise UserError(f"--epochs should be 0 or more and --images 1 or more, not {epochs} and {images}.")
    from kdcore.models.pruned import in_words
    from kdcore.pruning import students

    chosen = students.known(score)
    if out is not None:
        check_out(out)
        with writing(out):
            pass
    place = torch_device(device)
    file = students.prune_student(
        model, store(), to, chosen, images=images, map_name=map_name, out=out, device=place, report=noted
    )
    found = in_words(weight_header.description(file)["pruning"])
    if not as_json:
        print(f"{found}\nwritten: {file}")
    if not epochs:
        return 0
    recipe = _named(students.fine_tuning(file, store(), epochs), overrides, name)
    refuse_what_cannot_run(recipe, device)
    with progress.running(device=device, as_json=as_json, shown={found}) as (runner, watcher):
        return progress.follow(runner, runner.start(recipe), watcher)


def _named(recipe: Recipe, overrides: Overrides, name: str | None) -> Recipe:
    """The recipe of the fine-tuning with --set and --name."""
    recipe = recipes.with_overrides(recipe, overrides or [], option="--set")
    return recipes.with_values(recipe, {"name": name}, source="the recipe with --name") if name else recipe
