"""Images of a condition, clean and perturbed, with every network's prediction and heatmap; filtered by who is right, in pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import torch

from kdcore.data.perturbations import making
from kdcore.errors import UserError, shortened
from kdcore.explain import counterpart, default_map, explain
from kdcore.models import Tapped
from kdcore.results.bias import Outcome
from kdcore.robustness.assessment import Images

Filter = Literal["any", "all right", "all wrong", "only this one right", "follows the teacher", "networks differ"]


@dataclass(frozen=True, eq=False)
class Shown:
    """One image. place: among the images of the condition. clean, perturbed: uint8 [S, S, 3].

    predictions: network -> its class, a number, and the probability. heatmaps: network -> [H, W], NaN where there is none.
    """

    place: int
    clean: np.ndarray
    perturbed: np.ndarray
    target: int
    texture: int | None
    predictions: dict[str, tuple[int, float]]
    heatmaps: dict[str, np.ndarray] = field(default_factory=dict)

    def is_right(self, network: str) -> bool:
        return self.predictions[network][0] == self.target


def chosen(
    outcomes: Mapping[str, Outcome], which: Filter, *, this: str = "", roles: Mapping[str, str] | None = None
) -> np.ndarray:
    """The places of the images that a filter lets through, in their order.

    Args:
        outcomes: network -> its outcome on the images.
        this: the network of `only this one right`.
        roles: of `follows the teacher`, which is: the student predicts the teacher's class and the twin another one.

    Raises:
        UserError: an unknown filter, or one that needs another network.
    """
    if which not in get_args(Filter):
        raise UserError(f"Unknown filter {shortened(which)}; known: {', '.join(get_args(Filter))}.")
    right = np.stack([each.right for each in outcomes.values()])
    predicted = np.stack([each.predicted for each in outcomes.values()])
    names = list(outcomes)
    if which == "only this one right":
        if this not in outcomes:
            raise UserError(f"Choose the network that alone is right: {', '.join(names)}; not {shortened(this)}.")
        kept = outcomes[this].right & (right.sum(axis=0) == 1)
    elif which == "follows the teacher":
        known = roles or {}
        if any(known.get(role) not in outcomes for role in ("teacher", "student", "twin")):
            raise UserError("Images on which the student follows the teacher need a teacher, a student and its twin.")
        teacher, student, twin = (outcomes[known[role]].predicted for role in ("teacher", "student", "twin"))
        kept = (student == teacher) & (twin != teacher)
    else:
        kept = {
            "any": np.ones(right.shape[1], dtype=bool),
            "all right": right.all(axis=0),
            "all wrong": ~right.any(axis=0),
            "networks differ": (predicted != predicted[0]).any(axis=0),
        }[which]
    found: np.ndarray = np.flatnonzero(kept)
    return found


def shown(
    images: Images,
    places: Sequence[int],
    outcomes: Mapping[str, Outcome],
    networks: Mapping[str, Tapped] | None = None,
    map_name: str | None = None,
) -> list[Shown]:
    """The images at some places, with the predictions of their outcomes.

    Args:
        networks: frozen, whose heatmaps of the perturbed images are wanted.
        map_name: of the heatmaps; a network that does not have it shows its counterpart. Each network's own unless given.

    Raises:
        UserError: there is no such map.
    """
    if not len(places):
        return []
    at = torch.as_tensor(np.asarray(places, dtype=np.int64))
    before, after = making.clean(images.split, at).images, images.at(at)
    heatmaps = {name: _heatmaps(model, after.images, map_name) for name, model in (networks or {}).items()}
    clean, perturbed = (_pixels(each) for each in (before, after.images))
    textures = None if after.textures is None else after.textures.tolist()
    found = []
    for row, place in enumerate(at.tolist()):
        predictions = {}
        for name, outcome in outcomes.items():
            predicted = int(outcome.predicted[place])
            predictions[name] = predicted, float(np.exp(outcome.logs[place, predicted]))
        target = int(images.split.targets[place])
        texture = None if textures is None or textures[row] < 0 else int(textures[row])
        maps = {name: each[row] for name, each in heatmaps.items()}
        found.append(Shown(place, clean[row], perturbed[row], target, texture, predictions, maps))
    return found


def _heatmaps(model: Tapped, images: torch.Tensor, map_name: str | None) -> np.ndarray:
    name = counterpart(model, map_name)[0] if map_name else default_map(model)
    return explain(model, model.at_own_size(images), name).heatmaps


def _pixels(images: torch.Tensor) -> np.ndarray:
    """[m, 3, H, W] in [0, 1] -> uint8 [m, H, W, 3]."""
    levels = (255 * images).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())
