"""A classifier that keeps only the classes asked for, found by their names: what a teacher of many classes says of a few.

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


def places(theirs: Sequence[Names], ours: Sequence[str]) -> list[int]:
    """Where each of our classes is among theirs, by any of its names; letter case, `_` and `-` do not count.

    Raises:
        ValueError: a class is not among them, or is there twice; says which.
    """
    known: dict[str, list[int]] = {}
    for place, names in enumerate(theirs):
        for name in {_plain(name) for name in names}:
            known.setdefault(name, []).append(place)
    found = []
    for name in ours:
        match known.get(_plain(name), []):
            case [place]:
                found.append(place)
            case []:
                near = difflib.get_close_matches(_plain(name), known, n=3)
                hint = f" The nearest of them: {', '.join(near)}." if near else ""
                raise UserError(
                    f"The class {name!r} of the data is not among the teacher's {len(theirs)} classes, so they cannot be "
                    f"mapped.{hint} Fine-tune the teacher on this data (teacher.finetune: {{epochs: 3}}) instead."
                )
            case several:
                raise UserError(
                    f"The teacher has {len(several)} classes called {name!r} (places {', '.join(map(str, several))}): which "
                    "is meant cannot be told. Name the data's class more closely, or fine-tune the teacher on this data."
                )
    if len(set(found)) < len(found):
        twice = [name for name, place in zip(ours, found, strict=True) if found.count(place) > 1]
        raise UserError(f"{' and '.join(map(repr, twice))} of the data are one and the same class to the teacher.")
    return found


def keep_classes(net: nn.Module, kept: list[int]) -> None:
    """Let a network answer these classes alone, in this order.

    Args:
        kept: places in its present answers, [K].
    """
    for head in classifiers(net):
        if not isinstance(head, (nn.Linear, nn.Conv2d)):
            raise UserError(
                f"The classifier of this network ({type(head).__name__}) is not one whose classes can be chosen."
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
