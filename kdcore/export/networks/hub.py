"""A folder in the hub's layout: config.json, model.safetensors and a model card; timm opens it where the network is timm's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models._hub import save_config_for_hf

from kdcore import models
from kdcore.errors import UserError, clipped
from kdcore.export.networks import card, model_card
from kdcore.export.networks.choosing import Chosen
from kdcore.models import Tapped, pruned
from kdcore.models.importing.hub_folder import CONFIG, USUAL
from kdcore.models.own import OWN
from kdcore.models.zoo import TORCHVISION
from kdcore.store import Store

README = "README.md"
TOLERANCE = 1e-5  # of a logit, relative to the largest: the same code with the same weights


def is_timms(network: Tapped) -> bool:
    """Whether timm can build the network from its name and settings."""
    other = network.name in OWN or network.name.startswith(TORCHVISION) or pruned.OPTION in network.options
    return not other and timm.is_model(network.name.partition(".")[0])


def write(chosen: Chosen, folder: Path, store: Store, *, licence: str, report: Callable[[str], None]) -> None:
    """Write the files into an empty folder. For a network of timm the folder is opened by timm, and its logits are compared.

    Raises:
        UserError: timm does not open it, or gives other logits.
    """
    network = chosen.network
    for_timm = is_timms(network)
    models.save(network, folder / USUAL[0])
    if for_timm:
        _timm_config(network, folder / CONFIG)
        report(f"timm opens it; largest difference of a logit {_opened_by_timm(network, folder):.1e}.")
    else:
        (folder / CONFIG).write_text(json.dumps(_own_config(network), indent=2) + "\n", encoding="utf-8")
        report("timm does not have this network: README.md says how kdcore opens the folder.")
    measured, missing = card.measured(network, chosen)
    if missing:
        report(f"Its accuracy was not measured: {missing}")
    words = model_card.text(chosen, measured, store, licence=licence, timm=for_timm)
    (folder / README).write_text(words, encoding="utf-8")


def _input(network: Tapped) -> dict[str, Any]:
    """How images are prepared, as timm's configs say it."""
    described = network.description()
    side = network.image_size
    return {
        "input_size": (3, side, side), "mean": tuple(described["mean"]), "std": tuple(described["std"]),
        "interpolation": "bilinear", "crop_pct": 1.0, "crop_mode": "center",
    }  # fmt: skip


def _timm_config(network: Tapped, file: Path) -> None:
    arguments = {**network.options, "num_classes": len(network.classes)}
    names = {"label_names": list(network.classes)}
    try:
        save_config_for_hf(
            network.net, str(file), model_config=names, model_args=arguments, data_config=_input(network)
        )
    except ValueError as error:
        raise UserError(
            f"timm cannot describe {network.name} in a {CONFIG}: {clipped(str(error))}. Export it as ONNX or .safetensors."
        ) from None


def _own_config(network: Tapped) -> dict[str, Any]:
    """The same layout, which `import-weights` reads, with a name that timm does not have."""
    return {
        "library": "kdcore",
        "architecture": network.name,
        "num_classes": len(network.classes),
        "label_names": list(network.classes),
        "model_args": network.options,
        "pretrained_cfg": {**_input(network), "num_classes": len(network.classes)},
    }


def _opened_by_timm(network: Tapped, folder: Path) -> float:
    """The largest difference of a logit between timm's network and this one."""
    images = torch.rand(2, 3, network.image_size, network.image_size, generator=torch.Generator().manual_seed(0))
    try:
        opened = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
        with torch.no_grad():
            found = opened((images - network.mean) / network.std)
            wanted = network(images).logits
    except Exception as error:  # timm raises errors of many kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"timm does not open the exported {network.name}: {clipped(reason)}. Export it as ONNX or .safetensors."
        ) from None
    apart = (found - wanted).abs().max().item()
    if not apart <= TOLERANCE * max(1.0, wanted.abs().max().item()):
        raise UserError(
            f"timm gives other logits for the exported {network.name} (by {apart:.1e}). Export it as ONNX or .safetensors."
        )
    return apart
