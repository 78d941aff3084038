"""Loads weights into a network: every tensor must fit; a classifier for other classes is mapped, replaced or refused.

Which of the three is decided by the recipe.
"""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from kdcore.errors import NotFinite, UserError, clipped, visible
from kdcore.models import mapping
from kdcore.models.taps import classifiers
from kdcore.recipe import ModelRecipe, TeacherRecipe

Report = Callable[[str], None]


def fill(net: nn.Module, state: dict[str, Tensor], source: str, model: str) -> None:
    """Load a state strictly.

    Args:
        source: the weights, for messages.
        model: the network, for messages.

    Raises:
        UserError: tensors are missing, unknown or of other shapes, or have values that are not finite; names them.
    """
    own = net.state_dict()
    counters = {name: tensor for name, tensor in own.items() if name.endswith("num_batches_tracked")}
    state = {**counters, **state}  # files from before PyTorch 0.4.1 have no such counters; they are not used here
    if problems := _misfits(own, state):
        shown = "\n".join(f"  - {problem}" for problem in problems[:12])
        more = f"\n  and {len(problems) - 12} more" if len(problems) > 12 else ""
        raise UserError(f"The weights {source} do not fit {model}:\n{shown}{more}")
    _check_finite(state, source)
    load_state(net, state)


def _misfits(own: dict[str, Tensor], state: dict[str, Tensor]) -> list[str]:
    """Tensors that a state lacks, that the network does not have, and those of another shape or kind of number."""
    both = [name for name in own if name in state]
    return [
        *(f"missing: {name} {_shape(own[name])}" for name in own if name not in state),
        *(f"unknown: {clipped(visible(name), 80)} {_shape(state[name])}" for name in state if name not in own),
        *(
            f"{name} has shape {_shape(state[name])}, the model needs {_shape(own[name])}"
            for name in both
            if state[name].shape != own[name].shape
        ),
        *(
            f"{name} has whole numbers ({_kind(state[name])}), the model needs {_kind(own[name])}: quantised weights cannot be "
            "used without their scales, so give the file from before"
            for name in both
            if own[name].is_floating_point() and not state[name].is_floating_point()
        ),
    ]


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def load_state(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Load a state strictly, as one of the present versions of the module's parts.

    A file does not tell their versions, which PyTorch holds beside a state dict and MNASNet asks for.
    """
    versioned = OrderedDict(state)
    versioned._metadata = module.state_dict()._metadata  # type: ignore[attr-defined]
    module.load_state_dict(versioned)


def _check_finite(state: dict[str, Tensor], source: str) -> None:
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            wrong = tensor.numel() - int(torch.isfinite(tensor).sum())
            raise NotFinite(
                f"The weights {source} are not all numbers: {name} has {wrong:,} of {tensor.numel():,} that are NaN or infinite, as "
                "after a training that diverged. Use weights from an earlier checkpoint or another source."
            )


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


def maps_classes(spec: ModelRecipe) -> bool:
    """Whether the classifier is reduced to the classes of the data."""
    return isinstance(spec, TeacherRecipe) and spec.map_classes


def keep_classes(
    net: nn.Module, weight_classes: tuple[mapping.Names, ...], classes: tuple[str, ...], whose: str, report: Report
) -> None:
    """Reduce a loaded network to these classes, found by name. Raises UserError where one is missing."""
    kept = mapping.places(weight_classes, classes)
    mapping.keep_classes(net, kept)
    if kept != list(range(len(weight_classes))):
        report(f"{whose} has {len(weight_classes)} classes; the {len(classes)} of the data are used, found by name.")


def for_classes(
    state: dict[str, Tensor],
    net: nn.Module,
    spec: ModelRecipe,
    weight_classes: tuple[str, ...],
    classes: tuple[str, ...],
    report: Report,
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The state for a network with these classes, and the classes of the result.

    A classifier for other classes is replaced by the network's new one; that of a teacher that is not fine-tuned stays where
    only the names differ.

    Args:
        weight_classes: the classes that the weights name; empty where they name none.

    Raises:
        UserError: a teacher that is not fine-tuned has another number of classes.
    """
    own, head = net.state_dict(), classifier_names(net)
    if lacks_classifier(state, net):
        check_new_classifier(spec, f"{spec.weights} has no classifier")
        report(f"{spec.weights} has no classifier: it gets a new one for {len(classes)} classes.")
        return {**state, **{key: own[key] for key in head}}, classes
    counts_differ = any(key in state and state[key].shape[:1] != own[key].shape[:1] for key in head)
    named_otherwise = bool(weight_classes) and weight_classes != classes
    if not counts_differ and not (named_otherwise and _may_replace(spec)):
        return state, weight_classes or classes
    had = len(weight_classes) or next(state[key].shape[0] for key in head if key in state)
    check_new_classifier(spec, f"{spec.weights} has {had} classes, not these {len(classes)}")
    report(f"{spec.weights} has {had} classes, other than these {len(classes)}: it gets a new classifier.")
    return {**state, **{key: own[key] for key in head}}, classes


def lacks_classifier(state: dict[str, Tensor], net: nn.Module) -> bool:
    """Whether the network has a classifier and the state has nothing of it."""
    head = classifier_names(net)
    return bool(head) and not any(key in state for key in head)


def check_new_classifier(spec: ModelRecipe, what: str) -> None:
    """Refuse a new classifier that would not be trained; `what` is the reason for it, in words."""
    if not _may_replace(spec):
        raise UserError(
            f"{what}, so its predictions would be random. Fine-tune the teacher on this data (teacher.finetune: {{epochs: 3}}), or "
            "choose weights that were trained on it (python -m kdcore check-environment lists the bundled ones)."
        )


def _may_replace(spec: ModelRecipe) -> bool:
    """Whether a new classifier would be trained: always for a student, for a teacher only with fine-tuning."""
    return not isinstance(spec, TeacherRecipe) or spec.finetune is not None


def classifier_names(net: nn.Module) -> list[str]:
    heads = classifiers(net)
    return [f"{path}.{key}" for path, module in net.named_modules() if module in heads for key in module.state_dict()]


def _shape(tensor: Tensor) -> str:
    return str(list(tensor.shape))
