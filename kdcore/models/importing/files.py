"""Reads weights from outside: a file of torch.save or safetensors, or a folder with config.json, recognised by content."""

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kdcore import paths
from kdcore.errors import UserError, clipped
from kdcore.files import reading
from kdcore.models import weight_files
from kdcore.models.importing import hub_folder, pickles
from kdcore.recipe import weight_header
from kdcore.recipe.references import PICKLES, SAFETENSORS

EMA = ("state_dict_ema", "model_ema", "ema_state_dict", "model_ema_state_dict", "ema_model", "ema")
PLAIN = ("state_dict", "model", "model_state_dict", "net", "network", "module", "weights", "params")
NESTED = 4  # levels of mappings that are looked through
ENDINGS = f"{SAFETENSORS}, {', '.join(PICKLES)}, or a folder with config.json"
Report = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """Tensors by name, and what is known of their network: model, options, classes, image_size, mean, std."""

    tensors: dict[str, Tensor]
    description: dict[str, Any] = field(default_factory=dict)


def read(path: Path, *, ema: bool = True, report: Report = lambda text: None) -> Found:
    """Weights and their description, without running any code in the files.

    Args:
        ema: take the averaged weights (EMA) where a file has both.
        report: called with a sentence on each choice that was made.

    Raises:
        UserError: no weights; the message states what it is and how to fix it.
    """
    path = paths.given(path)
    if os.path.isdir(path):
        config, parts = hub_folder.opened(path)
        found = [read(each, ema=ema, report=report).tensors for each in parts]
        return Found({name: tensor for tensors in found for name, tensor in tensors.items()}, config)
    first = _beginning(path)
    if _is_safetensors(path, first):
        if path.suffix.lower() in PICKLES:
            raise UserError(f"{path} is a safetensors file with another ending: rename it to {path.stem}{SAFETENSORS}.")
        beside = hub_folder.beside(path)
        return Found(weight_files.read(path), weight_header.description(path) or beside)
    if path.suffix.lower() == SAFETENSORS and (first[:1] == b"\x80" or first[:2] == b"PK"):
        raise UserError(f"{path} is not a safetensors file, but one of torch.save: rename it to {path.stem}.pth.")
    if path.suffix.lower() == SAFETENSORS:
        weight_header.metadata(path)  # raises with the reason
    loaded = pickles.read(path)
    return Found(_state_dict(path, loaded, ema, report), hub_folder.beside(path) or _arguments(loaded))


def _beginning(path: Path) -> bytes:
    """The first bytes of a file. Raises UserError where it is missing, empty, or something well known that is no weights."""
    try:
        size = reading.regular(path).st_size
        with path.open("rb") as file:
            first = file.read(512)
    except FileNotFoundError:
        raise UserError(f"There is no file {clipped(str(path))}.") from None
    except OSError as error:
        raise UserError(f"{clipped(str(path))} cannot be read: {error.strerror or error}.") from None
    if size == 0:
        raise UserError(f"{path} is empty (0 bytes): download or copy it again.")
    if what := weight_header.no_weights(first):
        raise UserError(f"{path} {what}.")
    if path.name.endswith(".index.json"):
        raise UserError(
            f"{path} is a list of the parts of weights: give the parts themselves, or their folder, if it has a config.json."
        )
    if first[257:262] == b"ustar":
        raise UserError(f"{path} is a tar archive: unpack it, and give the file with the weights.")
    known = first[:1] in (b"\x80",) or first[:2] == b"PK" or _is_safetensors(path, first)
    if not known and path.suffix.lower() not in (SAFETENSORS, *PICKLES):
        raise UserError(f"{path} is neither a safetensors file nor one of torch.save. Weights are read from {ENDINGS}.")
    return first


def _is_safetensors(path: Path, first: bytes) -> bool:
    length = int.from_bytes(first[:8], "little")
    return first[8:9] == b"{" and length <= path.stat().st_size - 8


def _state_dict(path: Path, loaded: Any, ema: bool, report: Report) -> dict[str, Tensor]:
    """The state dict in what a file holds. Raises UserError where there is none."""
    found = dict(_mappings(loaded))
    if not found:
        raise UserError(_no_state_dict(path, loaded))
    averaged = [name for name in found if name.split(".")[0] in EMA]
    others = [name for name in found if name not in averaged]
    if len(others) > 1 and not any(part in PLAIN for name in others for part in name.split(".")):
        found["all"] = {f"{name}.{key}": tensor for name in others for key, tensor in found[name].items()}
        others = ["all"]
    chosen = averaged[0] if averaged and (ema or not others) else _preferred(others)
    if averaged and others:
        other = f"`{_preferred(others)}`, with --no-ema" if chosen in averaged else f"`{averaged[0]}`, with --ema"
        report(
            f"{path.name}: `{chosen}` was taken, {'averaged weights (EMA)' if ema else 'not averaged'}; it also has {other}."
        )
    elif chosen in averaged and not ema:
        raise UserError(f"{path} only has averaged weights (`{chosen}`): leave out --no-ema.")
    state = {str(name): tensor for name, tensor in found[chosen].items() if isinstance(tensor, Tensor)}
    for name, tensor in state.items():
        _check_tensor(path, name, tensor)
    return state


def _preferred(names: list[str]) -> str:
    for name in (*PLAIN, ""):
        if name in names:
            return name
    for known in PLAIN:
        if nested := [name for name in names if known in name.split(".")]:
            return nested[0]
    return names[0]


def _mappings(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The mappings of names to tensors in nested ones, by their path."""
    if not isinstance(value, Mapping) or depth > NESTED:
        return
    tensors = sum(isinstance(each, Tensor) for each in value.values())
    nested = [key for key, each in value.items() if isinstance(each, Mapping) and each]
    if tensors and not nested and all(isinstance(key, str) for key in value):
        yield name, value
    for key in nested:
        if isinstance(key, str) and not key.startswith(
            ("optimizer", "opt", "scheduler", "scaler", "amp", "loss_scaler")
        ):
            yield from _mappings(value[key], f"{name}.{key}" if name else key, depth + 1)


def _no_state_dict(path: Path, loaded: Any) -> str:
    parts = [loaded, *(loaded.values() if isinstance(loaded, Mapping) else ())]
    if whole := next((each for each in parts if isinstance(each, pickles.StandIn)), None):
        return (
            f"{path} holds a pickled object ({clipped(whole.kind, 80)}) instead of a state dict, and to read it would run its "
            f"code. {pickles.SAVE_AGAIN}"
        )
    return f"{path} holds no state dict: {type(loaded).__name__} without tensors by name. {pickles.SAVE_AGAIN}"


def _check_tensor(path: Path, name: str, tensor: Tensor) -> None:
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex():
        raise UserError(
            f"{path}: {clipped(name, 80)} is a sparse, quantized or complex tensor. Save it as plain numbers."
        )
    if tensor.is_meta:
        raise UserError(
            f"{path}: {clipped(name, 80)} has a shape and no numbers (device meta). Save it with its numbers."
        )
    if tensor.numel() * tensor.element_size() > max(tensor.untyped_storage().nbytes(), 1 << 20):
        raise UserError(f"{path}: {clipped(name, 80)} claims more numbers than the file holds: it is damaged.")


def _arguments(loaded: Any) -> dict[str, Any]:
    """What a training script noted of its network: timm's `arch` and `args`."""
    if not isinstance(loaded, Mapping):
        return {}
    given = loaded.get("args")
    arguments = vars(given) if isinstance(given, argparse.Namespace) else given if isinstance(given, dict) else {}
    sizes = _listed(arguments.get("input_size"))
    size = arguments.get("img_size") or (sizes[-1] if sizes else None)
    noted = {
        "model": arguments.get("model") or loaded.get("arch"),
        "image_size": size,
        "mean": _listed(arguments.get("mean")),
        "std": _listed(arguments.get("std")),
    }
    return {name: value for name, value in noted.items() if value and weight_header.ENTRIES[name][0](value)}


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else None
