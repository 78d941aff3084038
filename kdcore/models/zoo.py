"""Networks by name, with random weights: of this project, of timm, and of torchvision as `torchvision/NAME`."""

import difflib
import inspect
import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import timm
import torch
import torchvision.models as tv
from timm.data import ImageNetInfo, infer_imagenet_subset
from timm.models import get_pretrained_cfg
from torch import nn

from kdcore import plugins
from kdcore.errors import UserError
from kdcore.models import pruned, resnets
from kdcore.models.on_meta import on_meta
from kdcore.models.own import IMAGENET_MEAN, IMAGENET_STD, networks
from kdcore.models.tapped import Statistics
from kdcore.recipe.architecture import check_name, check_options
from kdcore.runtime import memory

FLOAT_BYTES = 4
ODD_SETTINGS = (TypeError, ValueError, AssertionError, RuntimeError, LookupError, AttributeError, ArithmeticError)
TORCHVISION = "torchvision/"
IMAGENET = 1000


def names() -> tuple[str, ...]:
    """The names of this project's networks, then of plugins'."""
    return tuple(networks())


def catalogue(query: str = "") -> tuple[str, ...]:
    """The names with all words of the query: this project's first, then timm's, then torchvision's."""
    words = query.lower().split()
    return tuple(name for name in _all_names() if all(word in name.lower() for word in words))


@lru_cache(maxsize=1)
def tagged() -> tuple[str, ...]:
    """timm's names with the tag of their weights, such as resnet50.a1_in1k; a name without one has the first of its tags."""
    return tuple(timm.list_pretrained())


def check(name: str) -> None:
    """Raises UserError with the nearest names where there is no such network."""
    check_name(name)
    if name in networks() or name in _libraries() or _is_tagged(name):
        return
    near = difflib.get_close_matches(name, _all_names(), n=5, cutoff=0.5)
    raise UserError(
        f"There is no model {name!r}."
        + (f" Did you mean {', '.join(repr(other) for other in near)}?" if near else "")
        + f" Use a name of timm, torchvision/NAME, or a network of this project: {', '.join(networks())}. One of your own "
        "is loaded with --plugin FILE.py or KD_PLUGINS." + plugins.hint(name)
    )


def create(name: str, classes: int, image_size: int, options: dict[str, Any] | None = None) -> nn.Module:
    """A network with random weights.

    Raises:
        UserError: no such network, an option that it does not take, or an image size that it cannot work with.
    """
    check(name)
    check_options(options or {})
    _check_memory(name, classes, image_size, json.dumps(options or {}, sort_keys=True))
    return made(name, classes, image_size, options or {})


def without_values(name: str, classes: int, image_size: int, options: dict[str, Any] | None = None) -> nn.Module:
    """A network as `create` makes it, on the meta device. Raises UserError as it does."""
    try:
        with on_meta():
            return create(name, classes, image_size, options)
    except NotImplementedError:  # RegNet computes its widths with tensors
        return create(name, classes, image_size, options).to("meta")


def made(name: str, classes: int, image_size: int, options: dict[str, Any], **library: Any) -> nn.Module:
    """A network from its constructor, with the layers that the option `pruned` narrows; the name and the options have been checked.

    Args:
        library: further arguments for timm.

    Raises:
        UserError: options that do not fit each other or this network, or an image size that it cannot work with.
    """
    if widths := options.get(pruned.OPTION):
        net = made(
            name, classes, image_size, {key: value for key, value in options.items() if key != pruned.OPTION}, **library
        )
        pruned.narrow(net, widths, name)
        pruned.check_fits(net, image_size, name)
        return net
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    try:
        if network := networks().get(name):
            _check_options(name, network.make, options)
            return network.make(classes, image_size, **options)
        if name.startswith(TORCHVISION):
            return _torchvision(name, image_size, {"num_classes": classes, **options})
        return _timm(name, image_size, {"num_classes": classes, **library, **options})
    except (NotImplementedError, OSError):
        raise
    except ODD_SETTINGS as error:
        raise UserError(_why_not(name, image_size, options, error)) from None


def _why_not(name: str, image_size: int, options: dict[str, Any], error: Exception) -> str:
    if name in networks() and isinstance(error, UserError):
        return str(error)
    if isinstance(error, TypeError) and "img_size" in str(error) and (config := get_pretrained_cfg(name)):
        wanted = config.input_size[-1]
        return f"{name} only takes images of {wanted} px: set data.image_size to {wanted}."
    if unknown := re.search(r"unexpected keyword argument '(\w+)'", str(error)):
        return f"{name} does not take the option {unknown[1]!r}: leave it out."
    what = "with these options" if options else f"for images of {image_size} px"
    return f"{name} cannot be built {what}: {str(error) or 'the library gives no reason'}"


def statistics(name: str) -> tuple[Statistics, Statistics]:
    """The mean and std of a network's normalisation."""
    if network := networks().get(name):
        return network.mean, network.std
    if not name.startswith(TORCHVISION) and (config := get_pretrained_cfg(name)):
        return config.mean, config.std  # type: ignore[return-value]
    return IMAGENET_MEAN, IMAGENET_STD


def class_names(name: str) -> tuple[tuple[str, ...], ...]:
    """The classes of a network's pretrained weights, each with all its names; ImageNet's with the synset's number.

    Raises:
        UserError: they are not known.
    """
    if name.startswith(TORCHVISION) and has_pretrained(name):
        weights = tv.get_model_weights(name.removeprefix(TORCHVISION)).DEFAULT
        return tuple((category,) for category in weights.meta["categories"])
    config = get_pretrained_cfg(name)
    subset = infer_imagenet_subset({"num_classes": config.num_classes}) if config else None
    if subset is None:
        raise UserError(
            f"The class names of the pretrained {name!r} are not known, so they cannot be mapped. "
            "Fine-tune the teacher on this data (teacher.finetune: {epochs: 3}) instead."
        )
    known = ImageNetInfo(subset)
    return tuple(
        (known.index_to_label_name(place), *known.index_to_description(place).split(", "))
        for place in range(known.num_classes())
    )


def pretrained_classes(name: str) -> int:
    """How many outputs the classifier of a network's pretrained weights has; 0 for one without a classifier, as of DINOv2."""
    if name.startswith(TORCHVISION):
        return len(class_names(name))
    config = get_pretrained_cfg(name)
    return int(config.num_classes) if config else 0


def names_of_outputs(name: str, count: int) -> tuple[str, ...]:
    """One name for each output of the pretrained weights: the class's, or its number where that is not known."""
    try:
        known = [names[-1] if len(names) == 1 else names[1] for names in class_names(name)]
    except UserError:
        known = []
    if len(known) != count:
        return tuple(str(place) for place in range(count))
    twice = {each for each in known if known.count(each) > 1} if count <= IMAGENET else set(known)
    return tuple(f"{each} ({place})" if each in twice else each for place, each in enumerate(known))


def default_image_size(name: str) -> int:
    """The usual image side of a network in pixels."""
    check(name)
    if network := networks().get(name):
        return network.image_size
    if not name.startswith(TORCHVISION) and (config := get_pretrained_cfg(name)):
        return int(config.input_size[-1])
    return 299 if name.endswith("inception_v3") else 224


def library_names() -> frozenset[str]:
    """The names of timm's and torchvision's networks."""
    return frozenset(_libraries())


def _all_names() -> tuple[str, ...]:
    return (*networks(), *_libraries())


@lru_cache(maxsize=1)
def _libraries() -> tuple[str, ...]:
    return (*timm.list_models(), *(TORCHVISION + name for name in tv.list_models(module=tv)))


def _is_tagged(name: str) -> bool:
    """Whether it is a timm name with the tag of its weights, as in vit_tiny_patch16_224.augreg_in21k."""
    if name.startswith(TORCHVISION) or not timm.is_model(name):
        return False
    try:
        return get_pretrained_cfg(name) is not None
    except RuntimeError:  # no such tag
        return False


@lru_cache(maxsize=256)
def _weight_bytes(name: str, classes: int, image_size: int, options: str) -> int | None:
    """Bytes of a network's parameters in float32, from shapes alone; None for one that cannot be built on the meta device."""
    try:
        with torch.random.fork_rng(devices=[]), on_meta():
            net = made(name, classes, image_size, json.loads(options))
    except (NotImplementedError, ValueError):
        return None
    return FLOAT_BYTES * sum(parameter.numel() for parameter in net.parameters())


def _check_memory(name: str, classes: int, image_size: int, options: str) -> None:
    """Refuse a network whose weights do not fit in the free main memory, before it is built."""
    if torch.get_default_device().type == "meta":
        return
    needed, free = _weight_bytes(name, classes, image_size, options), memory.free()
    if needed is not None and needed > free:
        raise UserError(
            f"The weights of {name} would take {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free: choose a smaller "
            "network or smaller options."
        )


def _check_options(name: str, make: Callable[..., nn.Module], options: dict[str, Any]) -> None:
    takes = [p.name for p in inspect.signature(make).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in takes:
            near = difflib.get_close_matches(option, takes, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UserError(f"{name} does not take the option {option!r}.{hint} It takes {', '.join(takes)}.")


def _timm(name: str, image_size: int, keywords: dict[str, Any]) -> nn.Module:
    config = get_pretrained_cfg(name)
    if config and config.fixed_input_size and image_size != config.input_size[-1]:
        keywords = {"img_size": image_size, **keywords}
    return timm.create_model(name, **keywords)


def _torchvision(name: str, image_size: int, keywords: dict[str, Any]) -> nn.Module:
    short = name.removeprefix(TORCHVISION)
    keywords, added = resnet_options(short, keywords)
    if short.startswith("vit_") and image_size != 224:
        keywords = {"image_size": image_size, **keywords}
    if short in ("googlenet", "inception_v3"):
        keywords = {"aux_logits": False, "init_weights": True, **keywords}
    net = tv.get_model(short, weights=None, **keywords)
    return resnets.changed(net, **added) if added else net


def resnet_options(short: str, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """torchvision's options, and those that this project adds to its ResNets."""
    added = resnets.OPTIONS if short.startswith(("resnet", "resnext", "wide_resnet")) else ()
    return {k: v for k, v in options.items() if k not in added}, {k: v for k, v in options.items() if k in added}


def has_pretrained(name: str) -> bool:
    """Whether there are pretrained weights of a network."""
    if name.startswith(TORCHVISION):
        return True
    config = get_pretrained_cfg(name)
    return bool(config and config.has_weights)
