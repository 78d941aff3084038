"""Tries networks on shapes alone, without memory for tensors: whether they take the images, and what a training step needs."""

import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from kdcore import methods, models
from kdcore.checks.findings import Finding
from kdcore.errors import UserError, clipped
from kdcore.models import zoo
from kdcore.models.tapped import Tapped
from kdcore.recipe import ModelRecipe, Recipe
from kdcore.runtime import memory
from kdcore.runtime.once import once
from kdcore.tensors.outputs import Shapes

FLOAT_BYTES = 4
TRIED_IMAGES = 2
MOST_TRIED = 300_000_000  # parameters of a network that is tried on real tensors where shapes alone do not do


@dataclass(frozen=True)
class Trial:
    """A network on images of one size.

    shapes: of its outputs; those of `dense` are not known from shapes alone.
    parameters: their number.
    step_bytes: what a training step keeps for its backward pass, per image, in float32.
    largest_bytes: the largest tensor of a forward, per image.
    alone: the reason why it cannot be trained on a batch of one image; empty where it can.
    """

    shapes: Shapes
    parameters: int
    step_bytes: int
    largest_bytes: int
    alone: str = ""


def trial(spec: ModelRecipe, classes: int, side: int) -> Trial:
    """Build a network from its name and options, and run it forward.

    Args:
        spec: with a `model`; its weights are not read.

    Raises:
        UserError: there is no such network, or it does not take these options or images of `side` pixels.
    """
    assert spec.model is not None
    return _trial(spec.model, json.dumps(spec.options, sort_keys=True), classes, side)


@once(maxsize=256)
def _trial(name: str, options: str, classes: int, side: int) -> Trial:
    chosen = json.loads(options)
    with torch.random.fork_rng(devices=[]):
        try:
            return _run(models.shapes_only(name, classes=classes, image_size=side, options=chosen))
        except Exception:  # an operation that shapes alone cannot decide, or a network that does not take such images
            return _on_tensors(name, chosen, classes, side)


def _on_tensors(name: str, options: dict[str, Any], classes: int, side: int) -> Trial:
    """The same with weights and pixels. Raises UserError where the network fails on them too."""
    net = zoo.create(name, classes, side, options)
    try:
        model = _tapped(net, name, options, classes, side)
        if models.parameters(model) > MOST_TRIED:
            raise UserError("it is too large to be tried")
        return _run(model)
    except Exception as error:  # whatever the library raises for sizes that it does not take
        raise UserError(_why_not(name, options, side, error)) from None


def _tapped(net: nn.Module, name: str, options: dict[str, Any], classes: int, side: int) -> Tapped:
    labels = tuple(str(label) for label in range(classes))
    mean, std = zoo.statistics(name)
    return Tapped(net, name=name, classes=labels, image_size=side, mean=mean, std=std, options=options)


def _run(model: Tapped) -> Trial:
    shapes = model.shapes()
    for module in model.modules():  # as on a CPU, where it takes more memory, see models.trainable
        if hasattr(module, "fused_attn"):
            setattr(module, "fused_attn", False)  # noqa: B010 (no attribute that types know)
    images = torch.rand(TRIED_IMAGES, 3, model.image_size, model.image_size, device=model.mean.device)
    saved, largest = _Saved(model), _Largest()
    with saved, largest:
        model.train()(images, frozenset({"features"}))
    try:
        model(images[:1])
        alone = ""
    except ValueError as error:  # of BatchNorm
        alone = clipped(str(error).split("\n")[0])
    return Trial(shapes, models.parameters(model), saved.bytes // TRIED_IMAGES, largest.bytes // TRIED_IMAGES, alone)


class _Saved(saved_tensors_hooks):
    """Adds up what autograd keeps for the backward pass, each storage once, without parameters."""

    def __init__(self, model: nn.Module) -> None:
        self.bytes = 0
        self._seen = {tensor.untyped_storage()._cdata for tensor in model.parameters()}
        self._held: list[Tensor] = []  # so that no storage gets the address of another
        super().__init__(self._keep, lambda tensor: tensor)

    def _keep(self, tensor: Tensor) -> Tensor:
        if (place := tensor.untyped_storage()._cdata) not in self._seen:
            self._seen.add(place)
            self._held.append(tensor)
            self.bytes += tensor.untyped_storage().nbytes()
        return tensor


class _Largest(TorchDispatchMode):
    """Notes the largest tensor that any operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for each in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(each, Tensor):
                self.bytes = max(self.bytes, each.numel() * each.element_size())
        return out


def _why_not(name: str, options: dict[str, Any], side: int, error: Exception) -> str:
    if options:
        reason = str(error).strip().split("\n")[0] or "the library gives no reason"
        return f"{name} does not work with these options on images of {side} px: {clipped(reason)}"
    return f"{name} does not take images of {side} px{_usual(name, side, options)}."


def _usual(name: str, side: int, options: dict[str, Any]) -> str:
    """What to do instead: a network's usual size, where it takes that."""
    usual = zoo.default_image_size(name)
    if usual == side:
        return ", its usual size: choose another network"
    return f": set `data.image_size` to {usual}, its usual size, or choose another network"


def check_batch(tried: Trial, name: str, recipe: Recipe) -> None:
    """Refuse batches of one image for a network that cannot be trained on them. Raises UserError."""
    if recipe.data.batch_size == 1 and tried.alone:
        raise UserError(
            f"`data.batch_size` is 1, and {name} normalises over a batch (BatchNorm), which one image of "
            f"{recipe.data.image_size} px does not allow: set it to 2 or more."
        )


def smallest_batch(spec: ModelRecipe, classes: int, side: int, *, images: int, batch_size: int) -> int:
    """Fewest images of a batch that the network can be trained on: 2 where BatchNorm would get one value per channel, else 1.

    Args:
        spec: with a `model`.
        images, batch_size: of an epoch; the network is tried only where its last batch would hold a single image.
    """
    lonely = images % batch_size == 1 and images > 1
    return 2 if lonely and trial(spec, classes, side).alone else 1


def check_memory(recipe: Recipe, student: Trial, teacher: Trial | None, device: torch.device) -> None:
    """Refuse a training step that needs more memory than the device has. Raises UserError."""
    there, batch = device_bytes(device), recipe.data.batch_size
    together = -(-batch // recipe.optimizer.accumulate)  # images that are computed at once
    fixed, image = needs(student, teacher, twin=bool(recipe.twin))
    if fixed + image * together <= there:
        return
    fitting = max(0, there - fixed) // image
    if fitting >= 2:
        parts = -(-batch // fitting)
        remedy = f"set `optimizer.accumulate` to {parts}, `data.batch_size` to {fitting}, or make the images smaller (`data.image_size`)"
    else:
        remedy = "make the images smaller (`data.image_size`), or choose a smaller network or larger patches"
    where = "this machine" if device.type == "cpu" else str(device)
    raise UserError(
        f"A training step on {together} images of {recipe.data.image_size} px would need about "
        f"{_gigabytes(fixed + image * together)} of memory, {where} has {_gigabytes(there)}: {remedy}."
    )


def needs(student: Trial, teacher: Trial | None, *, twin: bool) -> tuple[int, int]:
    """Bytes that a training step needs: whatever the batch, and for each image of it."""
    copies = 4 * (2 if twin else 1)  # weights, gradients and two moments
    fixed = FLOAT_BYTES * (copies * student.parameters + (teacher.parameters if teacher else 0))
    return fixed, max(student.step_bytes + student.largest_bytes, 2 * teacher.largest_bytes if teacher else 0, 1)


def device_bytes(device: torch.device) -> int:
    """All memory of a device, used or not."""
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else memory.total()


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size < 1e12 else f"{size / 1e9:,.0f} GB"


def pairings(
    recipe: Recipe, student: ModelRecipe, teacher: ModelRecipe | None, classes: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Terms that cannot be computed with these two networks, or that warn, each with the method's own reason.

    Args:
        student, teacher: each with a `model`; their weights are not read.
    """
    dense = any("dense" in methods.get(term.method).needs for term in recipe.terms)

    def shapes(spec: ModelRecipe, side: int) -> Shapes:
        return shapes_of(spec, classes, side) if dense else trial(spec, len(classes), side).shapes

    of_student = shapes(student, recipe.data.image_size)
    of_teacher = shapes(teacher, recipe.teacher_size) if teacher else None
    found = []
    for term in recipe.terms:
        try:
            method = methods.build(term, of_student, of_teacher)
        except UserError as error:
            found.append(Finding("pairing", "stop", str(error), final=True))
        else:
            found += [Finding("pairing", "warn", f"{term.label}: {text}") for text in method.warnings()]
    return tuple(found)


def shapes_of(spec: ModelRecipe, classes: tuple[str, ...], side: int) -> Shapes:
    """The shapes of a network's outputs, those of `dense` too; the network is built with weights, once."""
    return _shapes(spec.model_dump_json(), classes, side)


@once(maxsize=32)
def _shapes(spec: str, classes: tuple[str, ...], side: int) -> Shapes:
    return models.build(ModelRecipe.model_validate_json(spec), classes, side).shapes()
