"""Checkpoint files: tensors as safetensors, everything else as JSON in the header. No pickle.

A state is nested dicts and lists of tensors, numbers, strings and None. Its tensors are named by their path in it,
`student.net.conv1.weight`, so that a network can be read out of a checkpoint by its prefix.
"""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kdcore.errors import UserError
from kdcore.files import atomic
from kdcore.recipe import weight_header
from kdcore.tensors import checksums

MARK = "__tensor__"


def save(state: dict[str, Any], path: Path, *, description: dict[str, Any] | None = None) -> None:
    """Write a state, atomically.

    `description` goes to the header under `kdcore`: what is needed to build the models.
    """
    tensors: dict[str, Tensor] = {}
    plain = _flatten(state, "", tensors)
    header = {"state": json.dumps(plain), "kdcore": json.dumps(description or {})}
    header[checksums.KEY] = checksums.of(tensors, header)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(path) as temporary:
        save_file(tensors, temporary, metadata=header)


def load(path: Path, *, device: str = "cpu") -> dict[str, Any]:
    """Read a state. Raises UserError where the file is not a checkpoint of a run or is damaged."""
    try:
        header = weight_header.metadata(path)
        with safe_open(path, framework="pt", device=device) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        checksums.check(header, tensors, path)
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(
            f"Cannot read the checkpoint {path}: {error}. An older one in that folder may be complete."
        ) from None
    if "state" not in header:
        raise UserError(f"{path} holds weights, but it is not a checkpoint of a run: it cannot be resumed from.")
    try:
        state = _unflatten(json.loads(header["state"]), "", tensors)
    except (ValueError, KeyError, RecursionError) as error:  # no JSON, or a tensor that is not there
        raise UserError(f"The checkpoint {path} is damaged: its state cannot be read ({error}).") from None
    if not isinstance(state, dict):
        raise UserError(f"The checkpoint {path} is damaged: its state is no mapping.")
    return state


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        # a contiguous copy: safetensors refuses tensors that share memory or have channels-last layout
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return MARK
    if isinstance(value, dict):
        return {str(key): _flatten(item, f"{name}.{key}" if name else str(key), tensors) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_flatten(item, f"{name}.{index}", tensors) for index, item in enumerate(value)]
    return value


def _unflatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if value == MARK:
        return tensors[name]
    if isinstance(value, dict):
        return {key: _unflatten(item, f"{name}.{key}" if name else key, tensors) for key, item in value.items()}
    if isinstance(value, list):
        return [_unflatten(item, f"{name}.{index}", tensors) for index, item in enumerate(value)]
    return value
