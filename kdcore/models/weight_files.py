"""Weights as safetensors files, with a header that describes the network."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kdcore.errors import UserError
from kdcore.files import atomic
from kdcore.models.tapped import Tapped
from kdcore.recipe import weight_header
from kdcore.tensors import checksums


def save(
    model: Tapped,
    path: Path,
    *,
    dtype: torch.dtype | None = None,
    card: dict[str, Any] | None = None,
    without: Collection[str] = (),
) -> None:
    """Write a model as safetensors, with the network's own tensor names and its description in the header.

    Args:
        dtype: of the stored matrices; vectors (norms, biases, running statistics) stay float32, as they cost next to nothing.
        card: more to put into the header.
        without: names of tensors that are left out: of a classifier that the weights do not have. No classes are named then.
    """
    tensors = {}
    for name, tensor in model.net.state_dict().items():
        if name in without:
            continue
        narrow = dtype is not None and tensor.is_floating_point() and tensor.dim() > 1
        kept = tensor.detach().to("cpu", dtype if narrow else tensor.dtype, copy=True)
        tensors[name] = kept.contiguous()
    described = {**model.description(), **(card or {})}
    if without:
        described.pop("classes", None)
    header = {"kdcore": json.dumps(described), "format": "pt"}
    header[checksums.KEY] = checksums.of(tensors, header)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(path) as temporary:
        save_file(tensors, temporary, metadata=header)


def holds(path: Path, prefix: str) -> bool:
    """Whether a file has tensors whose names begin with the prefix. Raises UserError where it cannot be read."""
    with _opened(path) as file:
        return any(name.startswith(prefix) for name in file.keys())  # noqa: SIM118


def damage(path: Path, prefix: str = "") -> str:
    """Why the header, or the tensors whose names begin with `prefix`, cannot be read; empty where they can. Read once a version."""
    try:
        found = path.stat()
        return _damage(path, prefix, found.st_size, found.st_mtime_ns)
    except OSError as error:
        return str(error)


@lru_cache(maxsize=1024)
def _damage(path: Path, prefix: str, size: int, written: int) -> str:
    try:
        weight_header.description(path)
        read(path, prefix)
    except UserError as error:
        return str(error)
    return ""


def read(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it. Floating-point tensors are converted to float32.

    Raises:
        UserError: not a safetensors file, or a damaged one, also where only some of its numbers differ from their checksums.
    """
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}  # noqa: SIM118
        checksums.check(file.metadata() or {}, tensors, path)
    return {
        name.removeprefix(prefix): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    weight_header.metadata(path)  # checked before the library parses it: a header may be as large as the file
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        cut = "not fully covered" in str(error)
        why = "it ends before or after the last of its numbers" if cut else str(error)
        raise UserError(
            f"{path} is not a safetensors file, or it is damaged: {why}. {weight_header.COPY_AGAIN}"
        ) from None
