"""Conversion of checkpoints from training scripts into safetensors files that name their model."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kdcore.errors import UserError
from kdcore.models import fitting, weight_files, zoo
from kdcore.models.tapped import Statistics, Tapped


def import_weights(
    sources: list[Path],
    model: str,
    classes: tuple[str, ...],
    image_size: int,
    mean: Statistics | None = None,
    std: Statistics | None = None,
    *,
    out: Path,
    options: dict[str, Any] | None = None,
) -> Tapped:
    """Convert state dicts of training scripts into a safetensors file that names its model.

    Args:
        sources: .pth, .th or .safetensors files, read without running any code in them; a later one updates an earlier.

    Raises:
        ValueError: a file holds no state dict, or the tensors are not the model's; lists the difference.
    """
    state: dict[str, Tensor] = {}
    for file in sources:
        state.update(_state_dict(file))
    net = zoo.create(model, len(classes), image_size, options)
    fitting.fill(net, state, f"{' + '.join(file.name for file in sources)}", model)
    known_mean, known_std = zoo.statistics(model)
    tapped = Tapped(
        net,
        name=model,
        classes=classes,
        image_size=image_size,
        mean=mean or known_mean,
        std=std or known_std,
        options=options,
    ).eval()
    weight_files.save(tapped, out)
    return tapped


def _state_dict(file: Path) -> dict[str, Tensor]:
    """The state dict in a file, without the wrappers of training scripts."""
    if file.suffix == ".safetensors":
        return weight_files.read(file)
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"There is no file {file}.") from None
    except Exception as error:  # pickle raises nearly anything for other files
        raise UserError(f"{file} cannot be read as plain tensors: {str(error).splitlines()[0]}") from None
    for key in ("state_dict", "model", "model_state_dict", "net"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        raise UserError(f"{file} holds no state dict: {type(found).__name__} with something other than tensors in it.")
    return {
        name.removeprefix("module."): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in found.items()
    }
