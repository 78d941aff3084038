"""What a teacher says of some images: the only part of an examination that takes time."""

import hashlib
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kdcore import models
from kdcore.data.batches import batches
from kdcore.data.sampling import share
from kdcore.data.split import Split
from kdcore.models import Tapped, in_eval
from kdcore.models.tapped import Statistics
from kdcore.runtime import mixed_precision
from kdcore.runtime.mixed_precision import Precision

IMAGES = 300  # about so many are shown ...
FEWEST = 100  # ... fewer, down to this, to a teacher that would take long
ALL_OF = 1.5  # a split that has no more than so many times as many is shown whole
CPU_FLOPS = 1e11  # what a processor may spend on them: a few seconds
BATCH = 50

OWN, STUDENTS = "its weights' own", "the student's"  # normalisations that are tried beside the recipe's


@dataclass(frozen=True, eq=False)
class Answers:
    """The material of an examination.

    logits: [n, K], float32, with the normalisation that the recipe gives the teacher.
    targets: [n], right labels.
    beside: logits [n, K] under another normalisation, by whose it is.
    theirs, ours: the classes' names to the teacher and in the data.
    split: which images they are.
    fingerprint: SHA-256 over the teacher's parameters and buffers.
    """

    logits: Tensor
    targets: Tensor
    theirs: tuple[str, ...]
    ours: tuple[str, ...]
    split: str
    fingerprint: str
    beside: dict[str, Tensor] = field(default_factory=dict)


def how_many(teacher: Tapped, device: torch.device) -> int:
    """How many images to show: as many as take seconds."""
    if device.type == "cuda":
        return IMAGES
    return max(FEWEST, min(IMAGES, int(CPU_FLOPS / models.flops(teacher))))


def some_of(split: Split, count: int, *, seed: int = 0) -> Split:
    """About `count` images of a split with their right labels, the classes in their proportion; all, if there are few more."""
    split = split.with_every_label()
    if ALL_OF * count >= len(split):
        return split
    kept = torch.from_numpy(share(split.targets.cpu().numpy(), count / len(split), (seed,)))
    return split.at(kept)


def ask(
    teacher: Tapped,
    images: Split,
    beside: dict[str, tuple[Statistics, Statistics]] | None = None,
    *,
    precision: Precision = "exact",
) -> Answers:
    """Show a teacher images.

    Args:
        beside: further normalisations (mean, std) to try, by whose they are.
    """
    found = {whose: logits(teacher, images, *statistics) for whose, statistics in (beside or {}).items()}
    return Answers(
        logits=logits(teacher, images, precision=precision),
        targets=images.targets.cpu(),
        theirs=teacher.classes,
        ours=images.classes,
        split=images.name,
        fingerprint=fingerprint(teacher),
        beside=found,
    )


def logits(
    model: Tapped,
    images: Split,
    mean: Statistics | None = None,
    std: Statistics | None = None,
    *,
    precision: Precision = "exact",
) -> Tensor:
    """What a model says of a split, [n, K] on the CPU; normalised by `mean` and `std` in place of its own where given."""
    said = []
    for batch in batches(images, BATCH, seed=0, epoch=0, shuffle=False):
        pixels = batch.images
        if mean is not None and std is not None:  # so that the model's own normalisation leaves what this one would
            normalised = (pixels - _as_pixels(mean, pixels)) / _as_pixels(std, pixels)
            pixels = normalised * model.std + model.mean
        with in_eval(model), torch.no_grad(), mixed_precision.autocast(pixels.device, precision):
            said.append(model(pixels).logits.float().cpu())
    return torch.cat(said)


def fingerprint(model: Tapped) -> str:
    """SHA-256 over every parameter and buffer of the network, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.net.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _as_pixels(statistics: Statistics, like: Tensor) -> Tensor:
    return torch.tensor(statistics, device=like.device).view(1, 3, 1, 1)
