"""A teacher's predictions on a few hundred images: the only part of a teacher check that takes time."""

import hashlib
import threading
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdcore import models
from kdcore.data.batches import batches
from kdcore.data.sampling import share
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.models import Tapped, in_eval
from kdcore.models.tapped import Statistics
from kdcore.runtime import mixed_precision
from kdcore.runtime.mixed_precision import Precision

IMAGES = 300  # about so many are used ...
FEWEST = 100  # ... or fewer, down to this, for a teacher that is slow on a CPU
WHOLE_UP_TO = 1.5  # a split of at most so many times the wanted images is used whole
CPU_FLOPS = 1e11  # spent on a CPU: a few seconds
BATCH = 50

REMEMBERED = 8  # logits of the last checks in memory, at most 300 images each

OWN, STUDENTS = "its weights' own", "the student's"  # normalisations that are tried beside the recipe's


_last: dict[tuple[Any, ...], Tensor] = {}  # what decides logits -> logits
_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the criteria judge.

    logits: [n, K], float32, with the normalisation that the recipe gives the teacher.
    targets: [n], the correct labels.
    teacher_classes, data_classes: the names of the classes, in the order of the teacher's outputs and of the targets.
    split: the name of the split.
    fingerprint: SHA-256 over the teacher's parameters and buffers.
    alternatives: logits [n, K] with another normalisation, by its name, OWN or STUDENTS.
    seen: the share of the split that the teacher was trained on; None where it is not known.
    """

    logits: Tensor
    targets: Tensor
    teacher_classes: tuple[str, ...]
    data_classes: tuple[str, ...]
    split: str
    fingerprint: str
    alternatives: dict[str, Tensor] = field(default_factory=dict)
    seen: float | None = None


def image_count(teacher: Tapped, device: torch.device) -> int:
    """How many images to check a teacher on: as many as take seconds."""
    if device.type == "cuda":
        return IMAGES
    return max(FEWEST, min(IMAGES, int(CPU_FLOPS / models.flops(teacher))))


def sample(split: Split, count: int, *, seed: int = 0) -> Split:
    """About `count` images of a split, stratified, with their correct labels; all of them if there are few more."""
    split = split.with_every_label()
    if WHOLE_UP_TO * count >= len(split):
        return split
    kept = torch.from_numpy(share(split.targets.cpu().numpy(), count / len(split), (seed,)))
    return split.at(kept)


def predict(
    teacher: Tapped,
    images: Split,
    normalisations: dict[str, tuple[Statistics, Statistics]] | None = None,
    *,
    precision: Precision = "exact",
) -> Predictions:
    """Run a teacher on images.

    Args:
        normalisations: further (mean, std) to try, by name.

    Raises:
        UserError: its outputs are infinite or not a number.
    """
    identity = fingerprint(teacher)
    found = _remembered(teacher, identity, images, precision)
    if wrong := int((~torch.isfinite(found).all(dim=1)).sum()):
        raise UserError(
            f"The teacher's outputs are infinite or not a number for {wrong:,} of {len(found):,} images, so nothing can be learnt "
            "from it. Its weights are damaged, it diverged when it was trained, or it needs `precision: exact`; choose other "
            "weights."
        )
    tried = {name: logits(teacher, images, *statistics) for name, statistics in (normalisations or {}).items()}
    return Predictions(
        logits=found,
        targets=images.targets.cpu(),
        teacher_classes=teacher.classes,
        data_classes=images.classes,
        split=images.name,
        fingerprint=identity,
        alternatives=tried,
    )


def logits(
    model: Tapped,
    images: Split,
    mean: Statistics | None = None,
    std: Statistics | None = None,
    *,
    precision: Precision = "exact",
) -> Tensor:
    """A model's logits on a split, [n, K] on the CPU; normalised by `mean` and `std` instead of its own where given."""
    found = []
    for batch in batches(images, BATCH, seed=0, epoch=0, shuffle=False):
        pixels = batch.images
        if mean is not None and std is not None:  # the model's own normalisation turns these pixels into `normalised`
            normalised = (pixels - _as_pixels(mean, pixels)) / _as_pixels(std, pixels)
            pixels = normalised * model.std + model.mean
        with in_eval(model), torch.no_grad(), mixed_precision.autocast(pixels.device, precision):
            found.append(model(pixels).logits.float().cpu())
    return torch.cat(found)


def _remembered(teacher: Tapped, identity: str, images: Split, precision: Precision) -> Tensor:
    """Its logits on a split. Those of the last checks are in memory, so that a run which follows a check, or another run, begins
    seconds earlier."""
    device = images.targets.device
    fast = precision == "fast" and mixed_precision.bfloat16_is_faster(device)
    pixels = images.images.permute(0, 2, 3, 1).cpu().numpy()
    described = teacher.description()
    key = (
        identity, f"{described}", zlib.crc32(np.ascontiguousarray(pixels).data), pixels.shape, fast, str(device),
        torch.get_num_threads(),
    )  # fmt: skip
    with _lock:
        if key in _last:
            return _last[key]
    found = logits(teacher, images, precision=precision)
    with _lock:
        _last[key] = found
        while len(_last) > REMEMBERED:
            del _last[next(iter(_last))]
    return found


def fingerprint(model: Tapped) -> str:
    """SHA-256 over every parameter and buffer of the network, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.net.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _as_pixels(statistics: Statistics, like: Tensor) -> Tensor:
    return torch.tensor(statistics, device=like.device).view(1, 3, 1, 1)
