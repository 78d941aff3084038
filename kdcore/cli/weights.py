"""`import-weights` turns weights from outside into a .safetensors file that names its model."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from kdcore import recipe as recipes
from kdcore.cli.options import writing
from kdcore.errors import UserError
from kdcore.recipe import class_list, references

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


def check_out(out: Path) -> None:
    """Refuse a file with another ending, by which it could not be found again as weights. Raises UserError."""
    if out.suffix.lower() != references.SAFETENSORS and not out.is_dir():  # a folder is refused where it is written to
        raise UserError(
            f"{out} should end in {references.SAFETENSORS}, such as {out.with_suffix(references.SAFETENSORS).name}."
        )


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

    if file is not None and (data or path):
        raise UserError("Give the classes with --classes FILE, or with --data NAME and --path FOLDER, not both.")
    if file is not None:
        return class_list.read(file, report=print)
    if data is None and path is None:
        return None
    plain = {"data": {"name": data or "folder", "path": path}, "student": {"model": "resnet20"}}
    return loading.classes(recipes.from_plain(plain, source="the command line").data)
