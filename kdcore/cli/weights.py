"""`export` writes a network as one file with a card; `import-weights` turns .pth files into such a file."""

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App

from kdcore.cli.evaluate import dataset_of
from kdcore.cli.options import store, writing
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe, references
from kdcore.results import json_text
from kdcore.store import ACTIVE

if TYPE_CHECKING:
    from kdcore.models import Tapped

export_app = App(
    name="export",
    help_epilogue="""The file is safetensors; the card next to it (.json) has recipe, accuracy with interval, date and hash.

Examples:

  python -m kdcore export run:ID/student student.safetensors
  python -m kdcore export run:ID/twin twin.safetensors --fp16""",
)
import_app = App(
    name="import-weights",
    help_epilogue="""Code in the files is never run. Of several files, a later one replaces tensors of an earlier one.

Examples:

  python -m kdcore import-weights resnet56.th --model resnet56 \\
      --data cifar10 --image-size 32 --out resnet56.safetensors
  python -m kdcore import-weights vit.pth --model vit_tiny_patch16_224 \\
      --data cifar10 --image-size 224 --mean 0.5 0.5 0.5 --std 0.5 0.5 0.5 \\
      --out vit.safetensors""",
)


@export_app.default
def export(model: str, out: Path, /, *, command: str | None = None, fp16: bool = False) -> int:
    """Write a network as one .safetensors file, with a card.

    Args:
        model: run:ID/student, run:ID/twin, a bundled model or a file.
        out: The .safetensors file to write.
        command: How it was trained, for the card.
        fp16: Half precision, half the size. The card's accuracy is measured on what is written.
    """
    import torch

    from kdcore import models
    from kdcore.data import loading
    from kdcore.results import metrics
    from kdcore.training import evaluation

    network = models.load(model, runs=store())
    described, origin = origin_of(model, network)
    with writing(out):
        models.save(network, out, dtype=torch.float16 if fp16 else None)
    written = models.load(str(out))
    images = loading.load(described, "test", download=True)
    figures = evaluation.evaluate(written, images)
    low, high = metrics.wilson(round(figures["top1"] * figures["count"]), int(figures["count"]))
    card = {
        **written.description(),
        "parameters": models.parameters(written),
        **origin,
        "command": command or "",
        "data": {"name": described.name, "split": "test", "images": len(images)},
        "accuracy": {"top1": figures["top1"], "low": low, "high": high, "nll": figures["nll"], "ece": figures["ece"]},
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "bytes": out.stat().st_size,
    }
    out.with_suffix(".json").write_text(json_text.text(card, indent=2) + "\n", encoding="utf-8")
    print(f"{out}: {out.stat().st_size / 2**20:.2f} MiB, accuracy {figures['top1']:.2%} ({low:.2%} to {high:.2%})")
    return 0


def origin_of(reference: str, network: "Tapped") -> tuple[DataRecipe, dict[str, Any]]:
    """The data that a network is measured on, and the entries of its card about the run it comes from.

    Raises:
        UserError: the run has not ended.
    """
    if not isinstance(source := references.parse(reference), references.RunNetwork):
        return DataRecipe(**dataset_of(network.classes), image_size=network.image_size), {}
    run_id = source.run_id
    state, recipe = store().state(run_id), store().recipe(run_id)
    if state.status in ACTIVE:
        raise UserError(f"Run {run_id} is {state.status}. Export it when it has ended.")
    return recipe.data, {
        "recipe": recipe.model_dump(mode="json", exclude_defaults=True),
        "device": state.device,
        "seconds": round(state.active_seconds),
        "date": time.strftime("%Y-%m-%d", time.localtime(state.updated)),
    }


@import_app.default
def import_weights(
    files: list[Path],
    /,
    *,
    model: str,
    data: str,
    image_size: int,
    out: Path,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
) -> int:
    """Turn a state dict (.pth) into a .safetensors file that names its model.

    Args:
        files: Files with state dicts.
        model: Name of the model that the weights belong to.
        data: The dataset whose classes it predicts; `check-environment` lists them.
        image_size: Side of its input in pixels.
        out: The .safetensors file to write.
        mean: Mean of the input normalisation, three numbers in [0, 1]. Default: the model's own.
        std: Standard deviation of the input normalisation, three numbers. Default: the model's own.
    """
    from kdcore import models
    from kdcore.data import loading

    classes = loading.classes(DataRecipe(name=data))
    with writing(out):
        models.import_weights(files, model, classes, image_size, mean=mean, std=std, out=out)
    print(f"written: {out}")
    return 0
