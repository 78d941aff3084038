"""Pretrained weights of timm and torchvision: from the data folder, the libraries' cache or a download."""

import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torchvision.models as tv
from huggingface_hub import constants as hub
from huggingface_hub import try_to_load_from_cache
from safetensors.torch import load_file
from timm.models import get_pretrained_cfg
from torch import nn

from kdcore.errors import NotHere, UserError
from kdcore.models import fitting, matching, resnets, torchvision_files, zoo
from kdcore.models.own import networks
from kdcore.models.pruned import OPTION
from kdcore.models.zoo import TORCHVISION
from kdcore.paths import weights_folder
from kdcore.recipe.architecture import check_options

PATIENCE = 3.0  # seconds to wait for the hub
OFFLINE_MODELS = "What works without the network: bundled models (python -m kdcore check-environment lists them), weights from a run or a .safetensors file, and `weights: none`."


def pretrained(
    name: str, classes: int, image_size: int, options: dict[str, Any] | None = None, *, download: bool
) -> tuple[nn.Module, bool]:
    """A network with the model zoo's weights, from the data folder, the library's cache or the network.

    Args:
        download: whether they may be downloaded where they are not on this machine.

    Returns:
        The network, and whether its classifier is pretrained: with another number of classes it is a new, random one.

    Raises:
        NotHere: they would have to be downloaded, and may not be.
        ValueError: no such weights, or not downloaded; the message states what was tried and how to fix it.
    """
    zoo.check(name)
    options = dict(options or {})
    check_options(options)
    if OPTION in options:
        raise UserError(
            f"The pretrained weights of {name} have all its channels: leave the option {OPTION} out, or name the pruned weights themselves "
            "in `weights`."
        )
    file = found(name)
    if file is None and not download:
        raise NotHere(missing(name))
    try:
        with nullcontext() if file else _no_waiting_for_a_network_that_is_not_there():
            if name.startswith(TORCHVISION):
                return _torchvision(name, classes, image_size, options, file)
            net = zoo.made(name, classes, image_size, options, pretrained=True, **_from(file))
            return net, bool(net.pretrained_cfg["num_classes"] == classes)  # type: ignore[index]
    except OSError as error:
        tried = _sources(name)
        reason, place = str(error).split("\n")[0], _own_file(name)
        raise UserError(
            f"The pretrained weights of {name!r} could not be downloaded: {reason}\nTried: {place}, this machine's cache, {tried}.\n"
            f"Put the weights, as safetensors with the library's own tensor names, at {place}, or name a file in `weights`. "
            "`python -m kdcore import-weights` turns a .pth file into one.\n" + OFFLINE_MODELS
        ) from None


def found(name: str) -> Path | None:
    """The file of a network's pretrained weights on this machine, or None. Uses no network connection.

    Raises:
        ValueError: there are no such weights anywhere.
    """
    zoo.check(name)
    own = _own_file(name)
    if own.is_file():
        return own
    if name in networks() or not zoo.has_pretrained(name):
        raise UserError(f"There are no pretrained weights of {name!r}. " + OFFLINE_MODELS)
    if name.startswith(TORCHVISION):
        return torchvision_files.in_hub(_torchvision_url(name))
    config = get_pretrained_cfg(name)
    assert config is not None
    if config.hf_hub_id:
        repository, _, revision = config.hf_hub_id.partition("@")
        for file in _hub_files(config.hf_hub_filename):
            kept = try_to_load_from_cache(repository, file, revision=revision or None)
            if isinstance(kept, str):
                return Path(kept)
    return torchvision_files.in_hub(config.url) if isinstance(config.url, str) else None


def missing(name: str) -> str:
    """A sentence on weights that are not on this machine; empty where they are. Raises UserError as `found` does."""
    if found(name):
        return ""
    return (
        f"The pretrained weights of {name} are not on this machine yet: they are downloaded when a run that uses them starts "
        f"(from {_sources(name)})."
    )


def _from(file: Path | None) -> dict[str, Any]:
    """timm's arguments for a local file; only a .npz has another library's layout."""
    if file is None:
        return {}
    return {"pretrained_cfg_overlay": {"file": str(file), "custom_load": file.suffix == ".npz"}}


def _own_file(name: str) -> Path:
    return weights_folder() / f"{name}.safetensors"


def _hub_files(named: str | None) -> tuple[str, ...]:
    """The names that timm looks for, in its order."""
    if named is None:
        return ("model.safetensors", "pytorch_model.bin")
    return (f"{named.removesuffix('.bin')}.safetensors", named) if named.endswith(".bin") else (named,)


def _torchvision_url(name: str) -> str:
    return torchvision_files.url(name.removeprefix(TORCHVISION))


def _torchvision(
    name: str, classes: int, image_size: int, options: dict[str, Any], file: Path | None
) -> tuple[nn.Module, bool]:
    options, changes = zoo.resnet_options(name.removeprefix(TORCHVISION), options)
    net = zoo.made(name, 1000, image_size, options)
    if file == _own_file(name):
        state = load_file(file)
    else:  # in the cache already where there is a file
        weights = tv.get_model_weights(name.removeprefix(TORCHVISION)).DEFAULT
        state = weights.get_state_dict(progress=True, check_hash=True)
    with torch.no_grad():
        fitting.load_state(net, matching.fit_positions({k: v for k, v in state.items() if not _is_auxiliary(k)}, net))
    if classes != 1000:
        fitting.replace_classifier(net, classes)
    return resnets.changed(net, **changes) if changes else net, classes == 1000


def _is_auxiliary(key: str) -> bool:
    return key.startswith(("aux1.", "aux2.", "AuxLogits."))


def source_url(name: str) -> str:
    """Where pretrained weights would be downloaded from, as far as their library says."""
    if name.startswith(TORCHVISION):
        return _torchvision_url(name)
    config = get_pretrained_cfg(name)
    if config and config.hf_hub_id:
        return f"{hub.ENDPOINT}/{config.hf_hub_id}"
    return config.url if config and isinstance(config.url, str) else ""


def _sources(name: str) -> str:
    return source_url(name) or "timm's release page"


@contextmanager
def _no_waiting_for_a_network_that_is_not_there() -> Iterator[None]:
    """Without a connection the hub's client would retry for most of a minute; then only its cache is used."""
    before = hub.HF_HUB_OFFLINE
    proxied = any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
    if not proxied:
        try:
            host = hub.ENDPOINT.split("//")[-1].split("/")[0].partition(":")
            socket.create_connection((host[0], int(host[2] or 443)), timeout=PATIENCE).close()
        except (OSError, ValueError):
            hub.HF_HUB_OFFLINE = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        hub.HF_HUB_OFFLINE = before
