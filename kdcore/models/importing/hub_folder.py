"""A folder in the hub's layout: weights and the config.json that timm writes, with classes and normalisation."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kdcore.errors import UserError
from kdcore.files import reading
from kdcore.recipe import weight_header
from kdcore.recipe.architecture import check_name, check_options
from kdcore.recipe.references import PICKLES, SAFETENSORS

CONFIG = "config.json"
LARGEST = 16 << 20  # bytes; ImageNet-21k's names and descriptions take 2 MiB
USUAL = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth")
PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.\w+)")  # weights in several files, as the hub has large ones
NOT_OPTIONS = ("num_classes", "img_size", "in_chans", "global_pool", "pretrained", "pretrained_cfg")


def opened(folder: Path) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """What the folder's config.json describes, and the file with the weights, or the parts of one.

    Raises:
        UserError: one of them is missing, there are several files, or the config is not timm's.
    """
    if not (folder / CONFIG).is_file():
        raise UserError(
            f"{folder} is a folder without {CONFIG}. Give the file with the weights, or a folder in the hub's layout."
        )
    described = _described(folder / CONFIG)
    if not described:
        raise UserError(
            f"{folder / CONFIG} names no `architecture`, so it is not timm's. Give the file with the weights, and --model NAME."
        )
    there = [folder / name for name in USUAL if (folder / name).is_file()]
    there = there or sorted(each for each in folder.iterdir() if each.suffix.lower() in (SAFETENSORS, *PICKLES))
    if not there:
        raise UserError(f"{folder} has {CONFIG} but no weights, such as {USUAL[0]}.")
    for endings in ((SAFETENSORS,), PICKLES):
        if found := parts([each for each in there if each.suffix.lower() in endings]):
            return described, found
    if there[0].name not in USUAL and len(there) > 1:
        names = ", ".join(each.name for each in there[:4])
        raise UserError(f"{folder} has several files with weights ({names}): give one of them.")
    return described, (there[0],)


def parts(files: Sequence[Path]) -> tuple[Path, ...]:
    """The files in their order, where they are all parts of the same weights (`model-00001-of-00002.safetensors`); else empty.

    Raises:
        UserError: others of these parts are missing.
    """
    named = [PART.fullmatch(each.name) for each in files]
    found = [match.groups() for match in named if match]
    if not found or len(found) < len(files) or len({(stem, total, ending) for stem, _, total, ending in found}) > 1:
        return ()
    stem, _, total, ending = found[0]
    there = {int(number) for _, number, _, _ in found}
    missing = [number for number in range(1, int(total) + 1) if number not in there]
    if missing:
        raise UserError(
            f"{files[0].name} is one of {int(total):,} parts of weights, of which {len(missing):,} are missing, such as "
            f"{stem}-{missing[0]:05}-of-{total}{ending}: give all of them, or a folder with all and {CONFIG}."
        )
    return tuple(sorted(files))


def beside(file: Path) -> dict[str, Any]:
    """What a config.json beside a file with the hub's usual name describes; empty where there is none of timm's."""
    config = file.with_name(CONFIG)
    return _described(config) if file.name in USUAL and config.is_file() else {}


def _described(config: Path) -> dict[str, Any]:
    """model, options, classes, image_size, mean and std, as far as they are there; empty where it is not timm's."""
    try:
        found = json.loads(reading.read_whole(config, LARGEST))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise UserError(f"{config} cannot be read: {reason}.") from None
    if not isinstance(found, dict) or not isinstance(found.get("architecture"), str):
        return {}
    nested = found.get("pretrained_cfg")
    settings = {**found, **(nested if isinstance(nested, dict) else {})}
    given = found.get("model_args")
    options: dict[str, Any] = given if isinstance(given, dict) else {}
    described = {
        "model": found["architecture"],
        "options": {name: value for name, value in options.items() if name not in NOT_OPTIONS},
        "classes": _classes(settings, found),
        "image_size": _side(options, settings),
        "mean": settings.get("mean"),
        "std": settings.get("std"),
    }
    kept = {name: value for name, value in described.items() if value not in (None, {}, [])}
    for name, value in kept.items():
        fits, wanted = weight_header.ENTRIES[name]
        if not fits(value):
            raise UserError(f"{config}: `{name}` should be {wanted}, not {str(value)[:80]!r}.")
    try:
        check_name(kept["model"])
        check_options(kept.get("options", {}))
    except UserError as error:
        raise UserError(f"{config}: {error}") from None
    return kept


def _classes(settings: Mapping[str, Any], found: Mapping[str, Any]) -> list[str] | None:
    """The names of the classes: a list, or a mapping from numbers to names."""
    names = settings.get("label_names") or found.get("label_names") or settings.get("id2label")
    if isinstance(names, dict) and sorted(names) == sorted(
        map(str, range(len(names)))
    ):  # else it is not known which output is which
        names = [names[key] for key in sorted(names, key=int)]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return _told_apart(names)


def _told_apart(names: list[str]) -> list[str]:
    """Names of classes, with the number of the class where one is there twice, such as ImageNet's cranes, or empty."""
    seen = Counter(names)
    return [f"{name} ({place})".strip() if seen[name] > 1 or not name else name for place, name in enumerate(names)]


def _side(options: Mapping[str, Any], settings: Mapping[str, Any]) -> Any:
    """The side of the images as the config has it, whatever that is; of images that are not square the list."""
    size = options.get("img_size") or settings.get("input_size")
    if isinstance(size, list) and size and len(set(map(str, size[-2:]))) == 1:
        return size[-1]
    return size
