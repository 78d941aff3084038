"""Networks by reference, and weights from outside for recipes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from kdcore import models
from kdcore.cli import options, weights
from kdcore.data import datasets
from kdcore.errors import UserError, shortened
from kdcore.models import Tapped
from kdcore.paths import given
from kdcore.store import Store


def load(reference: str | Path, *, store: Store | None = None) -> Tapped:
    """A trained network: a bundled model's name, `run:ID/student` (or twin, teacher), or a .safetensors file.

    It takes images [B, 3, H, W] in [0, 1], normalises them itself, and has `classes` and `image_size`.

    Raises:
        UserError: there is no such network, or its weights cannot be used.
    """
    return models.load(str(reference), runs=store or options.store(), report=options.noted)


def import_weights(
    files: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    model: str | None = None,
    classes: str | Path | Sequence[str] | None = None,
    image_size: int | None = None,
    ema: bool = True,
    prefix: str | None = None,
    show: bool = True,
) -> str:
    """Turn weights of a training script, timm or the hub into a .safetensors file; returns its path for a recipe's `weights`.

    Args:
        files: of `torch.save` or .safetensors, or a folder with config.json. No code in them is run.
        model: the network's name, where the files do not name it.
        classes: names in the order of the outputs, a folder of class folders, or a dataset's name; else as the files say.
        image_size: side of its input in pixels; else what the files say, or the network's usual one.
        ema: take averaged weights where a file has them beside others.
        prefix: use the tensors whose names begin with it, where a file has several networks.
        show: print each choice and change.

    Raises:
        UserError: a file holds no weights, they are another network's, or its name or classes are missing.
    """
    sources = [given(each) for each in ([files] if isinstance(files, str | Path) else files)]
    if not sources:
        raise UserError("There are no files of weights to import: give one or more.")
    target = given(out)
    weights.check_out(target)
    with options.writing(target):
        models.import_weights(
            sources, model, _class_names(classes), image_size, out=target, ema=ema, prefix=prefix or "",
            report=options.noted if show else lambda text: None,
        )  # fmt: skip
    return str(target)


def _class_names(classes: str | Path | Sequence[str] | None) -> tuple[str, ...] | None:
    if classes is None:
        return None
    if isinstance(classes, Iterable) and not isinstance(classes, str | Path):
        return tuple(classes)
    if not isinstance(classes, str | Path):
        raise UserError(f"`classes` should be names, a folder or a dataset's name, not {shortened(classes)}.")
    if classes in datasets.names():
        return weights.class_names(str(classes), None, None)
    return weights.class_names(None, str(given(classes).absolute()), None)
