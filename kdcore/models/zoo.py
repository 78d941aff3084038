"""Names of networks: ours, timm's as they are, torchvision's as `torchvision/NAME`. One door to build each of them."""

import difflib
import inspect
import os
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision.models as tv
from huggingface_hub import constants as hub
from safetensors.torch import load_file
from timm.data import ImageNetInfo, infer_imagenet_subset
from timm.layers import resample_abs_pos_embed
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

from kdcore.folders import data_folder
from kdcore.models import cifar_resnet, cnns, resnets, small_vit
from kdcore.models.tapped import Statistics
from kdcore.models.taps import classifiers

HALF, QUARTER = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TORCHVISION = "torchvision/"
OFFLINE_MODELS = "What works without the network: bundled models (python -m kdcore doctor lists them), weights from a run or a .safetensors file, and `weights: none`."


@dataclass(frozen=True)
class Own:
    """One of our networks: how it is made, the image size that it is meant for, and the statistics it normalises by."""

    make: Callable[..., nn.Module]
    image_size: int
    mean: Statistics = HALF
    std: Statistics = QUARTER


OWN: dict[str, Own] = {
    "three_stage_cnn": Own(cnns.three_stage_cnn, 64),
    "three_stage_cnn_16": Own(cnns.three_stage_cnn_16, 64),
    "five_conv": Own(cnns.five_conv, 32),
    "resnet20": Own(cifar_resnet.resnet20, 32, IMAGENET_MEAN, IMAGENET_STD),
    "resnet56": Own(cifar_resnet.resnet56, 32, IMAGENET_MEAN, IMAGENET_STD),
    "resnet8x4": Own(cifar_resnet.resnet8x4, 32, IMAGENET_MEAN, IMAGENET_STD),
    "resnet32x4": Own(cifar_resnet.resnet32x4, 32, IMAGENET_MEAN, IMAGENET_STD),
    "small_vit_patch4_32": Own(small_vit.small_vit_patch4_32, 32),
    "small_vit_patch8_64": Own(small_vit.small_vit_patch8_64, 64),
}


def names() -> tuple[str, ...]:
    """The networks that are ours."""
    return tuple(OWN)


def catalogue(query: str = "") -> tuple[str, ...]:
    """Every network's name that contains all words of the query: ours first, then timm's, then torchvision's."""
    words = query.lower().split()
    return tuple(name for name in _all_names() if all(word in name.lower() for word in words))


def check(name: str) -> None:
    """Raises ValueError with the nearest names where no network is called so."""
    if name in OWN or name in _all_names():
        return
    if not name.startswith(TORCHVISION) and timm.is_model(name):
        return  # a timm name with the tag of its weights, as in vit_tiny_patch16_224.augreg_in21k
    near = difflib.get_close_matches(name, _all_names(), n=5, cutoff=0.5)
    raise ValueError(
        f"There is no model {name!r}."
        + (f" Did you mean {', '.join(repr(other) for other in near)}?" if near else "")
        + f" Ours: {', '.join(OWN)}; besides any timm name, and torchvision/NAME."
    )


def create(name: str, classes: int, image_size: int, options: dict[str, Any] | None = None) -> nn.Module:
    """A network with random weights.

    Raises:
        ValueError: no such network, an option that it does not take, or an image size that it cannot work with.
    """
    check(name)
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in (options or {}).items()}
    if name in OWN:
        make: Callable[..., nn.Module] = OWN[name].make
        _check_options(name, make, options)
        return make(classes, image_size, **options)
    if name.startswith(TORCHVISION):
        return _torchvision(name, image_size, {"num_classes": classes, **options})
    return _timm(name, image_size, {"num_classes": classes, **options})


def pretrained(
    name: str, classes: int, image_size: int, options: dict[str, Any] | None = None
) -> tuple[nn.Module, bool]:
    """A network with the model zoo's weights, from the data folder, the library's cache or the network.

    Returns:
        The network, and whether its classifier is the zoo's own: with another number of classes it is a new, random one.

    Raises:
        ValueError: there are no such weights, or they cannot be had here; says what was tried and what would do.
    """
    check(name)
    options = dict(options or {})
    file = data_folder() / "weights" / f"{name}.safetensors"
    if name in OWN or not (file.is_file() or _are_there(name)):
        raise ValueError(f"There are no pretrained weights of {name!r}. " + OFFLINE_MODELS)
    try:
        with _no_waiting_for_a_network_that_is_not_there():
            if name.startswith(TORCHVISION):
                return _torchvision_pretrained(name, classes, image_size, options, file)
            overlay = {"pretrained_cfg_overlay": {"file": str(file)}} if file.is_file() else {}
            net = _timm(name, image_size, {"num_classes": classes, "pretrained": True, **overlay, **options})
            return net, bool(net.pretrained_cfg["num_classes"] == classes)  # type: ignore[index]
    except OSError as error:
        tried = _sources(name)
        reason = str(error).split("\n")[0]
        raise ValueError(
            f"The pretrained weights of {name!r} cannot be had here: {reason}\nTried: {file}, this machine's cache, {tried}.\n"
            f"Put the weights, as safetensors with the library's own tensor names, at {file}, or name a file in `weights`. "
            "`python -m kdcore import-weights` turns a .pth file into one.\n" + OFFLINE_MODELS
        ) from None


def statistics(name: str) -> tuple[Statistics, Statistics]:
    """The mean and std that a network's images are normalised by."""
    if name in OWN:
        return OWN[name].mean, OWN[name].std
    if not name.startswith(TORCHVISION) and (config := get_pretrained_cfg(name)):
        return config.mean, config.std  # type: ignore[return-value]
    return IMAGENET_MEAN, IMAGENET_STD


def class_names(name: str) -> tuple[tuple[str, ...], ...]:
    """What a network's pretrained weights answer: each class with all its names, ImageNet's with the synset's number.

    Raises:
        ValueError: they are not known.
    """
    if name.startswith(TORCHVISION) and _are_there(name):
        weights = tv.get_model_weights(name.removeprefix(TORCHVISION)).DEFAULT
        return tuple((category,) for category in weights.meta["categories"])
    config = get_pretrained_cfg(name)
    subset = infer_imagenet_subset({"num_classes": config.num_classes}) if config else None
    if subset is None:
        raise ValueError(
            f"The names of the classes that the pretrained {name!r} answers are not known, so they cannot be mapped. "
            "Fine-tune the teacher on this data (teacher.finetune: {epochs: 3}) instead."
        )
    known = ImageNetInfo(subset)
    return tuple(
        (known.index_to_label_name(place), *known.index_to_description(place).split(", "))
        for place in range(known.num_classes())
    )


def default_image_size(name: str) -> int:
    """The side in pixels that a network is meant for."""
    check(name)
    if name in OWN:
        return OWN[name].image_size
    if not name.startswith(TORCHVISION) and (config := get_pretrained_cfg(name)):
        return int(config.input_size[-1])
    return 299 if name.endswith("inception_v3") else 224


@lru_cache(maxsize=1)
def _all_names() -> tuple[str, ...]:
    return (*OWN, *timm.list_models(), *(TORCHVISION + name for name in tv.list_models(module=tv)))


def _check_options(name: str, make: Callable[..., nn.Module], options: dict[str, Any]) -> None:
    takes = [p.name for p in inspect.signature(make).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in takes:
            near = difflib.get_close_matches(option, takes, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{name} does not take the option {option!r}.{hint} It takes {', '.join(takes)}.")


def _timm(name: str, image_size: int, keywords: dict[str, Any]) -> nn.Module:
    config = get_pretrained_cfg(name)
    if config and config.fixed_input_size and image_size != config.input_size[-1]:
        keywords = {"img_size": image_size, **keywords}
    try:
        return timm.create_model(name, **keywords)
    except TypeError as error:
        if config and "img_size" in keywords and "img_size" in str(error):
            wanted = config.input_size[-1]
            raise ValueError(f"{name} only takes images of {wanted} px: set data.image_size to {wanted}.") from None
        raise ValueError(f"{name} cannot be built with these options: {error}") from None
    except (AssertionError, RuntimeError) as error:
        raise ValueError(f"{name} cannot be built for images of {image_size} px: {error}") from None


def _torchvision(name: str, image_size: int, keywords: dict[str, Any]) -> nn.Module:
    short = name.removeprefix(TORCHVISION)
    keywords, ours = _resnet_options(short, keywords)
    if short.startswith("vit_") and image_size != 224:
        keywords = {"image_size": image_size, **keywords}
    if short in ("googlenet", "inception_v3"):
        keywords = {"aux_logits": False, "init_weights": True, **keywords}
    try:
        net = tv.get_model(short, weights=None, **keywords)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be built with these options: {error}") from None
    return resnets.changed(net, **ours) if ours else net


def _resnet_options(short: str, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """torchvision's own options, and those that we add to its ResNets."""
    ours = resnets.OPTIONS if short.startswith(("resnet", "resnext", "wide_resnet")) else ()
    return {k: v for k, v in options.items() if k not in ours}, {k: v for k, v in options.items() if k in ours}


def _torchvision_pretrained(
    name: str, classes: int, image_size: int, options: dict[str, Any], file: Path
) -> tuple[nn.Module, bool]:
    options, ours = _resnet_options(name.removeprefix(TORCHVISION), options)
    net = _torchvision(name, image_size, {"num_classes": 1000, **options})
    if file.is_file():
        state = load_file(file)
    else:
        weights = tv.get_model_weights(name.removeprefix(TORCHVISION)).DEFAULT
        state = weights.get_state_dict(progress=True, check_hash=True)
    with torch.no_grad():
        net.load_state_dict(fit_positions({k: v for k, v in state.items() if not _is_auxiliary(k)}, net))
    if classes != 1000:
        replace_classifier(net, classes)
    return resnets.changed(net, **ours) if ours else net, classes == 1000


def fit_positions(state: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """A ViT's state with its position embedding brought to the grid of another image size, where the two differ."""
    own = net.state_dict()
    fitted = dict(state)
    for name in ("pos_embed", "encoder.pos_embedding"):
        if name in fitted and name in own and fitted[name].shape != own[name].shape:
            in_embedding = not getattr(net, "no_embed_class", False)
            prefix = int(getattr(net, "num_prefix_tokens", 1)) if in_embedding else 0
            side = round((own[name].shape[1] - prefix) ** 0.5)
            fitted[name] = resample_abs_pos_embed(fitted[name].float(), [side, side], num_prefix_tokens=prefix)
    return fitted


def replace_classifier(net: nn.Module, classes: int) -> None:
    """Put a new, random classifier with another number of classes in the place of a torchvision network's own."""
    (old,) = classifiers(net)
    (path,) = [name for name, module in net.named_modules() if module is old]
    parent, _, name = path.rpartition(".")
    new = (
        nn.Linear(old.in_features, classes)
        if isinstance(old, nn.Linear)
        else nn.Conv2d(old.in_channels, classes, old.kernel_size)  # type: ignore[arg-type]
    )
    setattr(net.get_submodule(parent), name, new)


def _are_there(name: str) -> bool:
    if name.startswith(TORCHVISION):
        return True
    config = get_pretrained_cfg(name)
    return bool(config and config.has_weights)


def _is_auxiliary(key: str) -> bool:
    return key.startswith(("aux1.", "aux2.", "AuxLogits."))


def _sources(name: str) -> str:
    if name.startswith(TORCHVISION):
        weights = tv.get_model_weights(name.removeprefix(TORCHVISION)).DEFAULT
        return str(weights.url)
    config = get_pretrained_cfg(name)
    return f"{hub.ENDPOINT}/{config.hf_hub_id}" if config and config.hf_hub_id else "timm's release page"


@contextmanager
def _no_waiting_for_a_network_that_is_not_there() -> Iterator[None]:
    """Without a name server the hub's client would retry for most of a minute; then only its cache is asked."""
    before = hub.HF_HUB_OFFLINE
    proxied = any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
    if not proxied:
        try:
            socket.getaddrinfo(hub.ENDPOINT.split("//")[-1].split("/")[0].split(":")[0], 443)
        except OSError:
            hub.HF_HUB_OFFLINE = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        hub.HF_HUB_OFFLINE = before
