"""Prunes a network to a share of its multiply-accumulates, and checks that the smaller one computes the same without the channels."""

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kdcore.errors import UserError
from kdcore.explain import heatmaps
from kdcore.models import Tapped, fitting, flops, in_eval, parameters, pruned, zoo
from kdcore.pruning.budget import Budget
from kdcore.pruning.dependencies import Dependencies, Group, without
from kdcore.pruning.scores import Looks, Score, at_random, by_energy, by_magnitude, resized

TRIED_IMAGES = 4
CLOSE = 1e-3  # of the largest logit


@dataclass(frozen=True)
class Pruned:
    """A pruned network and what it came from.

    kept: layer -> its outputs that are left, in order, for one layer of each group of channels.
    macs, parameters: before and after; MACs of one image.
    units: channels, hidden units or heads, as in `models.pruned.UNITS` -> how many there were and are, over all groups.
    blank: images without a heatmap of the teacher, which counted everywhere alike.
    """

    model: Tapped
    score: Score
    kept: dict[str, tuple[int, ...]]
    macs: tuple[int, int]
    parameters: tuple[int, int]
    units: dict[str, tuple[int, int]] = field(default_factory=dict)
    blank: int = 0

    @property
    def share(self) -> float:
        """Of the MACs."""
        return self.macs[1] / self.macs[0]

    def in_words(self) -> str:
        (before, after), (had, has) = self.macs, self.parameters
        return (
            f"{self.model.name} pruned by {self.score}: {after / 1e6:.2f} of {before / 1e6:.2f} million MACs ({100 * self.share:.1f} %), "
            f"{has:,} of {had:,} parameters ({100 * has / had:.1f} %)"
        )


def prune(
    model: Tapped,
    to: float,
    score: Score = "attention",
    *,
    images: Tensor | None = None,
    teacher: Tapped | None = None,
    map_name: str | None = None,
    seed: int = 0,
) -> Pruned:
    """Remove channels until a network has at most a share of its MACs; the given network stays as it is.

    Args:
        to: the share, above 0 and below 1.
        score: `attention` needs images and a teacher, `energy` images.
        images: [n, 3, H, W], uint8 or floats in [0, 1], of training or validation; no labels are used.
        map_name: the teacher's heatmap; its own unless given.
        seed: of random scores.

    Raises:
        UserError: the network has no channels that can be removed, or too few; or what the score needs is not given.
    """
    if images is None and score in ("attention", "energy"):
        raise UserError(f"The score {score} is measured on images, and none were given.")
    if teacher is None and score == "attention":
        raise UserError(
            "The score attention weights places by where the teacher looks, and there is no teacher: choose energy, magnitude or random."
        )
    dependencies, counts = planned(model, to)
    groups = dependencies.groups
    looks = _Looks(teacher, map_name) if teacher is not None and score == "attention" else None
    found = _scores(model, groups, score, images, looks, seed)
    kept = [
        each.argsort(descending=True, stable=True)[:count].sort().values
        for each, count in zip(found, counts, strict=True)
    ]
    dependencies.remove(kept)
    small = _rebuilt(model, dependencies.net)
    _check(model, small, groups, kept)
    return Pruned(
        small,
        score,
        {group.name: tuple(places.tolist()) for group, places in zip(groups, kept, strict=True)},
        (flops(model) // 2, flops(small) // 2),
        (parameters(model), parameters(small)),
        _units(dependencies, counts),
        looks.blank if looks else 0,
    )


def _units(dependencies: Dependencies, kept: list[int]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for group, left in zip(dependencies.groups, kept, strict=True):
        linear = isinstance(dependencies.net.get_submodule(group.name), torch.nn.Linear)
        kind = "heads" if group.attention else "hidden units" if linear else "channels"
        before, after = found.get(kind, (0, 0))
        found[kind] = (before + group.count, after + left)
    return found


def planned(model: Tapped, to: float) -> tuple[Dependencies, list[int]]:
    """The groups of channels, and how many each of them keeps, from the network alone: no images, no teacher.

    Raises:
        UserError: the share is out of range, or the network cannot be pruned to it, such as a vision transformer.
    """
    if not 0 < to < 1:
        raise UserError(
            f"The share of MACs to prune to should be above 0 and below 1, not {to:g}: 0.5 keeps half of them."
        )
    dependencies = Dependencies(model)
    return dependencies, Budget(model, dependencies.groups).kept(to, model.name)


def _scores(
    model: Tapped, groups: tuple[Group, ...], score: Score, images: Tensor | None, looks: Looks | None, seed: int
) -> list[Tensor]:
    if score == "magnitude":
        return by_magnitude(groups)
    if score == "random":
        return at_random(groups, seed)
    assert images is not None
    return by_energy(model, groups, images, looks)


class _Looks:
    """Where the teacher looks, for batches; counts the images for which it has no heatmap."""

    def __init__(self, teacher: Tapped, map_name: str | None) -> None:
        self.teacher = teacher
        self.map_name = map_name or heatmaps.default_map(teacher)
        self.blank = 0

    def __call__(self, images: Tensor) -> Tensor:
        batch = resized(images.to(self.teacher.mean.device), self.teacher.image_size)
        found = heatmaps.explain(self.teacher, batch, self.map_name)
        self.blank += len(found.problems)
        return torch.from_numpy(found.heatmaps).nan_to_num(0).to(images.device)


def _rebuilt(model: Tapped, net: torch.nn.Module) -> Tapped:
    """The network by its name and widths alone, with the weights that are left."""
    options = {name: value for name, value in model.options.items() if name != pruned.OPTION}
    with torch.random.fork_rng(devices=[]):
        whole = zoo.create(model.name, len(model.classes), model.image_size, options)
        options = {**options, pruned.OPTION: pruned.widths(net, whole)}
        try:
            small = zoo.create(model.name, len(model.classes), model.image_size, options)
            fitting.load_state(small, net.state_dict())
        except (UserError, RuntimeError) as error:  # of the forward pass, or of weights of another shape
            raise UserError(
                f"{model.name} cannot be pruned: its code has the numbers of some channels in it, so with fewer of them it cannot be "
                "computed. Prune another network, such as a student of this project or a ResNet."
            ) from error
    mean, std = model.description()["mean"], model.description()["std"]
    tapped = Tapped(
        small,
        name=model.name,
        classes=model.classes,
        image_size=model.image_size,
        mean=tuple(mean),
        std=tuple(std),
        options=options,
    )
    tapped.came_with = copy.copy(model.came_with)
    return tapped.to(model.mean.device).train(model.training)


def _check(model: Tapped, small: Tapped, groups: tuple[Group, ...], kept: list[Tensor]) -> None:
    """Refuse a network whose layers are joined in a way that the dependency graph does not see."""
    side = model.image_size
    images = torch.linspace(0, 1, TRIED_IMAGES * 3 * side * side, device=model.mean.device).view(
        TRIED_IMAGES, 3, side, side
    )
    with in_eval(small), torch.no_grad():
        found = small(images).logits
    expected = without(model, groups, kept, images)
    if not torch.allclose(found, expected, rtol=0, atol=CLOSE * max(1.0, float(expected.abs().max()))):
        raise UserError(
            f"{model.name} cannot be pruned: without some channels its outputs are not those of the whole network with these channels at "
            "0. Prune another network, such as a student of this project or a ResNet."
        )
