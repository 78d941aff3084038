"""Weights of torchvision's networks that are tools of a test set: found on this machine, read, or downloaded where allowed."""

from pathlib import Path
from typing import Any

import torch
import torchvision.models as tv
from torch import Tensor

from kdcore.errors import NotHere, UserError
from kdcore.models.importing import pickles
from kdcore.paths import weights_folder


def url(name: str) -> str:
    """Where torchvision downloads a network's newest weights from."""
    return str(tv.get_model_weights(name).DEFAULT.url)


def in_hub(url: str) -> Path | None:
    """The file in PyTorch's cache that was downloaded from there, or None."""
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    return file if file.is_file() else None


def found(name: str) -> Path | None:
    """The file of a network's weights, `fcn_resnet50` say: in the data folder by its own or the published name, or in PyTorch's
    cache. None where there is none. Uses no network connection."""
    published = url(name)
    own = (weights_folder() / file for file in (f"{name}.pth", published.rpartition("/")[2]))
    return next((file for file in own if file.is_file()), None) or in_hub(published)


def missing(name: str) -> str:
    """Why a network cannot be used yet, and how to get its weights; empty where they are on this machine."""
    if found(name):
        return ""
    return (
        f"the weights of {name} are not on this machine: put the file {url(name)} into {weights_folder()}, "
        "or allow their download"
    )


def state(name: str) -> dict[str, Tensor]:
    """The tensors of a network's weights by their names.

    Raises:
        NotHere: they are not on this machine.
        UserError: the file is damaged, or holds no tensors by name.
    """
    file = found(name)
    if file is None:
        raise NotHere(f"{missing(name)}.".capitalize())
    read: Any = pickles.read(file)
    if not isinstance(read, dict) or not all(isinstance(value, Tensor) for value in read.values()):
        raise UserError(f"{file} holds no tensors by name: {pickles.SAVE_AGAIN}")
    return dict(read)


def download(name: str) -> None:
    """Download a network's weights into PyTorch's cache where they are not on this machine.

    Raises:
        UserError: they could not be downloaded.
    """
    if found(name):
        return
    try:
        tv.get_model_weights(name).DEFAULT.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: another checksum
        reason = str(error).split("\n")[0]
        raise UserError(
            f"The weights of {name} could not be downloaded from {url(name)}: {reason}. Put that file into "
            f"{weights_folder()}."
        ) from None
