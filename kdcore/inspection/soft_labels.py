"""Logits of networks on test images, and losses of them: numpy and plain data in and out.

The Methods page draws from here. Every loss it shows is computed by the method itself, in `kdcore.methods`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kdcore import models
from kdcore.data import datasets, loading, sampling
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.methods.attention import DIVERGENCES, attention_loss
from kdcore.methods.dkd import dkd_loss
from kdcore.methods.kd import centered_logit_loss, kd_loss
from kdcore.models import Tapped
from kdcore.paths import data_folder
from kdcore.recipe import DataRecipe
from kdcore.store import Store
from kdcore.store.trained_on import data_of
from kdcore.tensors.finite import check_finite

PER_CLASS, MOST = 20, 400  # images
NO_DIVISION = 1e-12
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class NetworkOutputs:
    """Logits of several networks on the same images, classes in turn.

    images: uint8 [n, S, S, 3].
    targets: [n].
    logits: network -> float32 [n, K].
    """

    classes: tuple[str, ...]
    images: np.ndarray
    targets: np.ndarray
    logits: dict[str, np.ndarray]


def run(references: Mapping[str, str], store: Store) -> NetworkOutputs:
    """Some test images of the data that the networks were trained on, through each of them.

    Args:
        references: role -> a bundled model or `run:ID/student`; they belong together.

    Raises:
        UserError: no such network, its outputs are not numbers, or its images are not on this machine; the message states how to fix it.
    """
    networks = {role: models.load(reference, runs=store).eval() for role, reference in references.items()}
    first = next(iter(networks.values()))
    described = data_of(next(iter(references.values())), first.classes, store)
    if not available(described):
        raise UserError(
            f"The images of {described.name} are not in {data_folder()}: start a run with this data to download them, or set "
            f"KD_DATA to their folder. Networks for {', '.join(datasets.names('drawn'))} need no download."
        )
    split = _some(described.model_copy(update={"image_size": first.image_size}), len(first.classes))
    images = split.images.float() / 255
    return NetworkOutputs(
        classes=split.classes,
        images=split.images.permute(0, 2, 3, 1).contiguous().numpy(),
        targets=split.targets.numpy(),
        logits={role: _logits(network, images) for role, network in networks.items()},
    )


def available(described: DataRecipe) -> bool:
    """Whether the images are on this machine or are drawn, so that nothing is downloaded."""
    return not loading.missing(described)


def _some(described: DataRecipe, classes: int) -> Split:
    count = min(PER_CLASS * classes, MOST)
    try:
        split = loading.load(described.model_copy(update={"test_images": count}), "test")
    except UserError:  # a folder may have fewer
        split = loading.load(described, "test")
    targets = split.targets.numpy()
    chosen = sampling.balanced(targets, min(count, len(targets)), (described.seed_of("test"), 0))
    order = torch.from_numpy(chosen[np.argsort(_turns(targets[chosen]), kind="stable")])
    return split.at(order)


def _turns(targets: np.ndarray) -> np.ndarray:
    """For each image the number of earlier ones of its class, [n]."""
    return np.array([(targets[:place] == target).sum() for place, target in enumerate(targets)])


def _logits(network: Tapped, images: Tensor) -> np.ndarray:
    with torch.inference_mode():
        found = torch.cat([network(part, frozenset({"logits"})).logits.float() for part in images.split(64)])
    check_finite(found)
    return found.numpy()


def soft_labels(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of logits [..., K] over a temperature."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def entropy(labels: np.ndarray) -> np.ndarray:
    """Of soft labels [..., K], in nats: 0 for a one-hot label, log K for a uniform one."""
    return -(labels * np.log(np.maximum(labels, NO_DIVISION))).sum(axis=-1)


def divergence(teacher: np.ndarray, student: np.ndarray) -> np.ndarray:
    """KL(teacher || student) of soft labels [..., K], in nats."""
    ratio = np.maximum(teacher, NO_DIVISION) / np.maximum(student, NO_DIVISION)
    return (teacher * np.log(ratio)).sum(axis=-1)


def by_class(labels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The mean soft label of each true class, [K, K]: the class similarity. NaN for a class without images."""
    classes = labels.shape[1]
    sums = np.zeros((classes, classes))
    np.add.at(sums, targets, labels)
    counts = np.bincount(targets, minlength=classes)[:, None]
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def class_agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two networks' class similarities [K, K], the diagonal left out."""
    beside = ~np.eye(len(one), dtype=bool) & np.isfinite(one) & np.isfinite(other)
    if np.std(one[beside]) < NO_DIVISION or np.std(other[beside]) < NO_DIVISION:
        return float("nan")
    return float(np.corrcoef(one[beside], other[beside])[0, 1])


def over_temperatures(
    teacher: np.ndarray, student: np.ndarray, temperatures: Sequence[float]
) -> dict[str, dict[str, list[float]]]:
    """The loss of soft labels [n, K] at each temperature, and its gradient norm.

    Returns:
        kind (`plain`: KL; `scaled`: temperature^2 KL, the method `kd`; `limit`: its `mse_centered`) -> `loss` and `gradient`,
        each with a number per temperature. `gradient` is the norm of an image's gradient at the logits, mean over images.
    """
    kinds: dict[str, Callable[[float], Loss]] = {
        "plain": lambda t: (
            lambda student_logits, teacher_logits: kd_loss(student_logits, teacher_logits, temperature=t) / t**2
        ),
        "scaled": lambda t: (
            lambda student_logits, teacher_logits: kd_loss(student_logits, teacher_logits, temperature=t)
        ),
        "limit": lambda t: centered_logit_loss,
    }
    found: dict[str, dict[str, list[float]]] = {}
    for kind, loss_at in kinds.items():
        pairs = [
            _value_and_gradient(loss_at(t), torch.from_numpy(student), torch.from_numpy(teacher)) for t in temperatures
        ]
        found[kind] = {"loss": [value for value, _ in pairs], "gradient": [gradient for _, gradient in pairs]}
    return found


def decoupled(
    teacher: np.ndarray, student: np.ndarray, targets: np.ndarray, temperatures: Sequence[float]
) -> dict[str, list[float]]:
    """The two parts of the method `dkd` at each temperature, both times its square, mean over the images.

    Args:
        teacher, student: logits [n, K]. targets: [n].

    Returns:
        `target`: the target against the rest; `others`: among the other classes; `weight`: the weight of the second in
        `kd`, 1 - the teacher's probability of the target.
    """
    student_logits, teacher_logits, labels = (torch.from_numpy(array) for array in (student, teacher, targets))

    def part(temperature: float, **weights: float) -> float:
        return dkd_loss(student_logits, teacher_logits, labels, temperature=temperature, **weights).item()

    sure = [soft_labels(teacher, t)[np.arange(len(targets)), targets].mean() for t in temperatures]
    return {
        "target": [part(t, target_weight=1, others_weight=0) for t in temperatures],
        "others": [part(t, target_weight=0, others_weight=1) for t in temperatures],
        "weight": [1 - float(each) for each in sure],
    }


def map_divergences(teacher: np.ndarray, student: np.ndarray) -> dict[str, tuple[float, float]]:
    """Every divergence of the method `attention` between two maps [H, W] that sum to 1: its value and its gradient norm.

    The gradient is taken at the logits of the student's map, of which the map is the softmax.
    """
    teacher_logits = torch.from_numpy(teacher).float()[None]
    before = torch.from_numpy(student).float().clamp(min=NO_DIVISION).log()[None]

    def with_softmax(name: str) -> Loss:
        return lambda student_logits, target: attention_loss(
            student_logits.flatten(1).softmax(1).reshape(student_logits.shape), target, divergence=name
        )

    return {name: _value_and_gradient(with_softmax(name), before, teacher_logits) for name in DIVERGENCES}


def _value_and_gradient(loss: Loss, student_logits: Tensor, teacher_logits: Tensor) -> tuple[float, float]:
    """The loss, mean over n images, and the gradient norm of an image, mean over images."""
    student_logits = student_logits.detach().clone().requires_grad_()
    with torch.enable_grad():
        value = loss(student_logits, teacher_logits)
        (gradient,) = torch.autograd.grad(value, student_logits)
    return value.item(), len(student_logits) * gradient.flatten(1).norm(dim=1).mean().item()


def spot(grid: int, row: float, column: float, width: float) -> np.ndarray:
    """A map [grid, grid] that sums to 1: a round spot. Lengths are fractions of the side."""
    places = (np.arange(grid) + 0.5) / grid
    distance = (places[:, None] - row) ** 2 + (places[None, :] - column) ** 2
    values = np.exp(-distance / (2 * width**2))
    return values / values.sum()
