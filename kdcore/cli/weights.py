"""`export` writes a network as one file with a card; `import-weights` turns weights from outside into such a file."""

import contextlib
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from kdcore import recipe as recipes
from kdcore.cli.evaluate import built_in
from kdcore.cli.options import noted, store, writing
from kdcore.errors import UserError
from kdcore.files import atomic
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
Prefixes such as module. or _orig_mod. are removed, and position embeddings resized to --image-size; each change is printed.

Examples:

  python -m kdcore import-weights resnet56.th --model resnet56 \\
      --data cifar10 --image-size 32 --out resnet56.safetensors
  python -m kdcore import-weights model_best.pth.tar --path ~/photos --out mine.safetensors
  python -m kdcore import-weights resnet50.pth --model resnet50 --out resnet50.safetensors       ImageNet's classes
  python -m kdcore import-weights hub-folder/ --out hub.safetensors""",
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

    check_out(out)
    network = models.load(model, runs=store(), report=noted)
    described, origin = origin_of(model, network)
    with writing(out), staged(out) as (file, card):
        models.save(network, file, dtype=torch.float16 if fp16 else None)
        written = models.load(str(file))
        data, missing = measured(written, described)
        content = {
            **written.description(),
            "parameters": models.parameters(written),
            **origin,
            "command": command or "",
            **data,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "bytes": file.stat().st_size,
        }
        card.write_text(json_text.text(content, indent=2) + "\n", encoding="utf-8")
    size = f"{out}: {out.stat().st_size / 2**20:.2f} MiB"
    found = data.get("accuracy")
    if found is None:
        print(f"{size}. Its accuracy was not measured: {missing}")
    else:
        print(
            f"{size}, accuracy {100 * found['top1']:.2f} % ({100 * found['low']:.2f} % to {100 * found['high']:.2f} %)"
        )
    return 0


def check_out(out: Path) -> None:
    """Refuse a file with another ending, by which it could not be found again as weights. Raises UserError."""
    if out.suffix.lower() != references.SAFETENSORS and not out.is_dir():  # a folder is refused where it is written to
        raise UserError(
            f"{out} should end in {references.SAFETENSORS}, such as {out.with_suffix(references.SAFETENSORS).name}."
        )


@contextlib.contextmanager
def staged(out: Path) -> Iterator[tuple[Path, Path]]:
    """A weight file and its card to write, in a temporary folder; both take their places when the block ends without error."""
    with atomic.staging(out) as folder:
        files = folder / out.name, folder / out.with_suffix(".json").name
        yield files
        for file in files:
            file.replace(out.parent / file.name)


def measured(network: "Tapped", data: DataRecipe | None) -> tuple[dict[str, Any], str]:
    """The card's entries on accuracy; and why there are none, where the images are not on this machine. Downloads nothing."""
    from kdcore.data import loading
    from kdcore.results import metrics
    from kdcore.training import evaluation

    if data is None:
        return (
            {},
            "no built-in dataset has these classes (python -m kdcore evaluate measures it on --data folder --path FOLDER).",
        )
    try:
        images = loading.load(data, "test")
    except UserError as error:
        return {}, str(error)
    figures = evaluation.evaluate(network, images)
    low, high = metrics.wilson(round(figures["top1"] * figures["count"]), int(figures["count"]))
    return {
        "data": {"name": data.name, "split": "test", "images": len(images)},
        "accuracy": {"top1": figures["top1"], "low": low, "high": high, "nll": figures["nll"], "ece": figures["ece"]},
    }, ""


def origin_of(reference: str, network: "Tapped") -> tuple[DataRecipe | None, dict[str, Any]]:
    """The data that a network is measured on, if that is known, and the entries of its card about the run it comes from.

    Raises:
        UserError: the run has not ended.
    """
    from kdcore import models

    if not isinstance(source := models.resolved(reference, store()), references.RunNetwork):
        found = built_in(network.classes)
        return (DataRecipe(**found, image_size=network.image_size) if found else None), {}
    run_id = source.run_id
    state, recipe = store().state(run_id), store().recipe(run_id).of_run()
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
    model: str | None = None,
    data: str | None = None,
    path: str | None = None,
    classes: Path | None = None,
    image_size: int | None = None,
    out: Path,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    ema: Annotated[bool, Parameter(negative="--no-ema")] = True,
    prefix: str = "",
) -> int:
    """Turn weights from outside into a .safetensors file that names its model.

    Args:
        files: Files of torch.save (.pth, .pt, .ckpt, .bin, .pth.tar) or .safetensors with a state dict, or a folder with
            config.json and weights, as timm writes it for the hub.
        model: Name of the model that the weights belong to. Default: the one that the files name.
        data: The dataset whose classes it predicts; `check-environment` lists them. Default: the classes that the
            files name, else ImageNet's, if it has 1,000 outputs.
        path: Folder of class folders whose classes it predicts.
        classes: File with the names of its classes, one a line, in the order of its outputs.
        image_size: Side of its input in pixels. Default: what the files say, else the model's usual one.
        out: The .safetensors file to write.
        mean: Mean of the input normalisation, three numbers in [0, 1]. Default: what the files say, else the model's own.
        std: Standard deviation of the input normalisation, three numbers. Default: likewise.
        ema: Take averaged weights (EMA) where a file has them beside others.
        prefix: Use the tensors whose names begin with it, where a file has several networks.
    """
    from kdcore import models

    check_out(out)
    names = class_names(data, path, classes)
    with writing(out):
        imported = models.import_weights(
            files, model, names, image_size, mean=mean, std=std, out=out, ema=ema, prefix=prefix, report=print
        )
    has = f"{len(imported.classes)} classes" if imported.classes else "no classifier"
    print(f"written: {out} ({imported.name}, {has}, {imported.image_size} px)")
    return 0


def class_names(data: str | None, path: str | None, file: Path | None) -> tuple[str, ...] | None:
    """The classes given by name of a dataset, folder of class folders, or file; None where none is given.

    Raises:
        UserError: more than one is given, or there is no such dataset, folder or file.
    """
    from kdcore.data import loading
    from kdcore.models.importing import class_names

    if file is not None and (data or path):
        raise UserError("Give the classes with --classes FILE, or with --data NAME and --path FOLDER, not both.")
    if file is not None:
        return class_names.from_file(file)
    if data is None and path is None:
        return None
    plain = {"data": {"name": data or "folder", "path": path}, "student": {"model": "resnet20"}}
    return loading.classes(recipes.from_plain(plain, source="the command line").data)
