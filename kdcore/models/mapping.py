"""Classifiers reduced to the classes of the data, found by name, for teachers trained on more classes.

The rows of the classifier are chosen, so that logits, dense logits and a distillation token's logits agree. What the network
would have answered beside these classes is gone: its probabilities are those among them.
"""

import difflib
from collections.abc import Sequence

import torch
from torch import nn

from kdcore.errors import UserError
from kdcore.models.taps import classifiers

Names = tuple[str, ...]  # of one class: `tench, Tinca tinca` has two


def places(teacher_classes: Sequence[Names], classes: Sequence[str]) -> list[int]:
    """The index of each class among the teacher's, by any of its names; letter case, `_` and `-` are ignored.

    Raises:
        ValueError: a class is not among them, or is there twice; the message names it.
    """
    known: dict[str, list[int]] = {}
    for place, names in enumerate(teacher_classes):
        for name in {_plain(name) for name in names}:
            known.setdefault(name, []).append(place)
    found = []
    for name in classes:
        match known.get(_plain(name), []):
            case [place]:
                found.append(place)
            case []:
                near = difflib.get_close_matches(_plain(name), known, n=3)
                hint = f" The nearest of them: {', '.join(near)}." if near else ""
                raise UserError(
                    f"The class {name!r} of the data is not among the teacher's {len(teacher_classes)} classes, so they cannot be "
                    f"mapped.{hint} Fine-tune the teacher on this data (teacher.finetune: {{epochs: 3}}) instead."
                )
            case several:
                raise UserError(
                    f"The teacher has {len(several)} classes called {name!r} (numbers {', '.join(map(str, several))}): the "
                    "name is ambiguous. Use a more specific class name in the data, or fine-tune the teacher on it."
                )
    if len(set(found)) < len(found):
        twice = [name for name, place in zip(classes, found, strict=True) if found.count(place) > 1]
        raise UserError(
            f"{' and '.join(map(repr, twice))} of the data are the same class of the teacher: fine-tune the teacher on this data instead."
        )
    return found


def keep_classes(net: nn.Module, kept: list[int]) -> None:
    """Reduce a network's classifier to these classes, in this order.

    Args:
        kept: indices of its present outputs, [K].
    """
    for head in classifiers(net):
        if not isinstance(head, (nn.Linear, nn.Conv2d)):
            raise UserError(
                f"The classifier of this network ({type(head).__name__}) cannot be reduced to some classes: fine-tune the teacher on "
                "this data (teacher.finetune: {epochs: 3}) instead."
            )
        with torch.no_grad():
            head.weight = nn.Parameter(head.weight[kept].clone())
            if head.bias is not None:
                head.bias = nn.Parameter(head.bias[kept].clone())
        if isinstance(head, nn.Linear):
            head.out_features = len(kept)
        else:
            head.out_channels = len(kept)
    if hasattr(net, "num_classes"):
        net.num_classes = len(kept)  # type: ignore[assignment]


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())
