"""Reads the header of a safetensors file, which describes its networks; without torch, every entry checked.

A file is a length (8 bytes, little-endian), so much JSON, and the tensors. The JSON names the tensors; its `__metadata__`
maps names to texts, of which `kdcore` describes a network, or a checkpoint's networks by name.
"""

import json
import math
import reprlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from kdcore.errors import UserError
from kdcore.files import reading
from kdcore.recipe.architecture import check_name, check_options
from kdcore.recipe.references import NETWORKS

LARGEST = 16 << 20  # bytes of a header; a checkpoint of two EfficientNet-B7 with AdamW has 0.8 MiB
LARGEST_TEXT = 4 << 20  # characters that describe networks: 21,000 class names, three times, are a quarter of it
MOST_CLASSES = 100_000
LONGEST_CLASS = 400
IMAGE_SIZES = range(1, 1025)
COPY_AGAIN = "Download or copy it again, and compare its size."
LARGEST_STATISTIC = 10  # of a mean or std of images in [0, 1]; for pixels from 0 to 255 they are about 120 and 60
BEGINNINGS = (
    (b"version https://git-lfs", "is a pointer of Git LFS, not the weights themselves: fetch them with `git lfs pull`"),
    ((b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--"), "is a web page, not weights: download the file itself"),
    (b"\x1f\x8b", "is compressed (gzip): unpack it first"),
    (b"\x89HDF", "is an HDF5 file (Keras), not weights of PyTorch: convert it there first"),
    (b"BZh", "is compressed (bzip2): unpack it first"),
    (b"\xfd7zXZ", "is compressed (xz): unpack it first"),
    (b"\x93NUMPY", "is an array of numpy, not weights with names"),
)


def no_weights(first: bytes) -> str:
    """What a file is, from its first bytes, and how to fix it, where these are those of something that is no weights."""
    text = first.lstrip()
    return next((what for begins, what in BEGINNINGS if text.startswith(begins) or text.lower().startswith(begins)), "")


def metadata(path: Path) -> dict[str, str]:
    """The texts in a file's header by their names; empty where there are none.

    Raises:
        ValueError: not a safetensors file, a damaged one, or one with a header of more than 16 MiB; names the file.
    """
    try:
        size = reading.regular(path).st_size  # a pipe would wait for its writer
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > size - 8:
                file.seek(0)
                if what := no_weights(file.read(64)):
                    raise UserError(f"{path} {what}.")
                _refuse(path, f"its header would have {length:,} bytes, the file has {size:,}")
            if length > LARGEST:
                raise UserError(
                    f"{path} has a header of {length / 2**20:.1f} MiB; at most {LARGEST >> 20} MiB are allowed that is read."
                )
            text = file.read(length)
    except struct.error:
        _refuse(path, f"it has {size} bytes")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    header = _parsed(text, path, "its header")
    if not isinstance(header, dict):
        _refuse(path, f"its header is {_kind(header)} and no mapping of tensors")
    found = header.get("__metadata__", {})
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        _refuse(path, "its __metadata__ does not map names to texts")
    return found


def description(path: Path) -> dict[str, Any]:
    """The description of a file's network, or of a checkpoint's networks by name; empty where there is none.

    Of a network: model, options, classes, image_size (pixels), mean, std, and of a pruned one `pruning`, as far as they are
    there, each checked.

    Raises:
        ValueError: as `metadata`; or something of another kind than it should be; names the file and the entry.
    """
    text = metadata(path).get("kdcore", "null")
    if len(text) > LARGEST_TEXT:
        raise UserError(
            f"{path} describes its network in {len(text):,} characters; at most {LARGEST_TEXT:,} are allowed."
        )
    found = _parsed(text, path, "the description of its network", finite=True)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UserError(f"{path}: the description of its network should be a mapping, not {_kind(found)}.")
    if any(name in found for name in NETWORKS):
        return {name: _network(found[name], path, f"{name}: ") for name in NETWORKS if name in found}
    return _network(found, path, "")


def _network(found: Any, path: Path, whose: str) -> dict[str, Any]:
    """A network's description with the entries that are used, each of the kind that it should be."""
    if not isinstance(found, dict):
        raise UserError(f"{path}: {whose}the description of a network should be a mapping, not {_kind(found)}.")
    kept = {}
    for name, (fits, wanted) in ENTRIES.items():
        if found.get(name) is None:
            continue
        if not fits(found[name]):
            raise UserError(f"{path}: {whose}`{name}` should be {wanted}, not {reprlib.repr(found[name])}.")
        kept[name] = found[name]
    try:
        if "model" in kept:
            check_name(kept["model"])
        check_options(kept.get("options", {}))
    except UserError as error:
        raise UserError(f"{path}: {whose}{error}") from None
    return kept


def _is_classes(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) <= MOST_CLASSES
        and all(isinstance(name, str) and len(name) <= LONGEST_CLASS for name in value)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e6 and math.isfinite(value)


def _is_origin(value: Any) -> bool:
    """Of a pruned network: what it was made of, as `models.pruned.in_words` reads it."""
    return (
        isinstance(value, dict)
        and all(isinstance(value.get(name), str) and len(value[name]) <= LONGEST_CLASS for name in ("of", "score"))
        and all(_is_two(value.get(name), 1, 1e15) for name in ("macs", "parameters"))
        and _is_two(value.get("top1"), 0, 1)
        and _is_two([value.get("images")] * 2, 0, 1e15)
        and _is_units(value.get("units", {}))
    )


def _is_units(value: Any) -> bool:
    """What a pruned network had and has, which earlier files do not say."""
    kinds = {"channels", "hidden units", "heads"}
    return isinstance(value, dict) and value.keys() <= kinds and all(_is_two(each, 0, 1e15) for each in value.values())


def _is_two(value: Any, low: float, high: float) -> bool:
    numbers = isinstance(value, list) and len(value) == 2
    return numbers and all(
        isinstance(each, (int, float)) and not isinstance(each, bool) and low <= each <= high for each in value
    )


def _is_three(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(_is_number(each) and abs(each) <= LARGEST_STATISTIC for each in value)
    )


ENTRIES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "model": (lambda value: isinstance(value, str), "a network's name"),
    "options": (lambda value: isinstance(value, dict), "a mapping of settings"),
    "classes": (_is_classes, f"a list of 1 to {MOST_CLASSES:,} names of at most {LONGEST_CLASS} characters"),
    "image_size": (
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value in IMAGE_SIZES,
        f"a number of pixels from {IMAGE_SIZES[0]} to {IMAGE_SIZES[-1]}",
    ),
    "mean": (_is_three, "three numbers, of images from 0 to 1"),
    "std": (lambda value: _is_three(value) and min(value) > 0, "three numbers above 0, of images from 0 to 1"),
    "pruning": (_is_origin, "a mapping with of, score, macs and parameters (from 1), top1 (0 to 1) and images"),
}


def _parsed(text: bytes | str, path: Path, what: str, *, finite: bool = False) -> Any:
    """JSON, or a ValueError that names the file."""

    def no_number(constant: str) -> NoReturn:
        raise UserError(f"{constant} is not a number in JSON")

    try:
        return json.loads(text, parse_constant=no_number) if finite else json.loads(text)
    except RecursionError:
        reason = "it is nested too deep"
    except ValueError as error:  # no JSON, no UTF-8, a number with thousands of digits
        reason = str(error)
    raise UserError(f"{path} is not a safetensors file, or it is damaged: {what} cannot be read ({reason}).")


def _refuse(path: Path, why: str) -> NoReturn:
    raise UserError(f"{path} is not a safetensors file, or it is damaged: {why}. {COPY_AGAIN}")


def _kind(value: Any) -> str:
    names = {
        list: "a list",
        str: "a text",
        bool: "a truth value",
        int: "a number",
        float: "a number",
        dict: "a mapping",
    }
    return names.get(type(value), "nothing")
