"""The networks of a run as they were along the way: how it learned can be looked at later, on any photo.

A checkpoint is what a run resumes from, so the newest few are enough, and they are large. A snapshot holds the weights of
student and twin alone: matrices in half precision, vectors (norms, biases, running statistics) whole, as in `models.save`.

Disk: 2 bytes a weight, student and twin, at most 9 snapshots: 18 bytes a weight in all. The three checkpoints of a run with
AdamW hold 36, so a history makes a run's folder half as large again: 3 MiB for `quick`, 0.9 GiB for two ResNet-50.
"""

from pathlib import Path

import torch
from torch import Tensor

from kdcore.store import RunWriter, checkpoint
from kdcore.training.state import Parts

SPACES = 8  # the run's length in equal parts; a snapshot at its beginning, and one as each part ends


def begin(parts: Parts, writer: RunWriter) -> None:
    """As a run starts: its untrained networks; when it resumes, what it did after that step happens again."""
    for step, path in writer.snapshots().items():
        if step > parts.step:
            path.unlink()
    keep(parts, writer)


def keep(parts: Parts, writer: RunWriter) -> None:
    """Write the networks down where the run has come one part further than its last snapshot."""
    kept = writer.snapshots()
    if kept and not is_due(parts.step, parts.steps, max(kept)):
        return
    networks = {name: _half(learner.distiller.student.state_dict()) for name, learner in parts.learners.items()}
    described = {name: parts.models[name].description() for name in networks}
    path: Path = writer.snapshot_path(parts.step)
    checkpoint.save(networks, path, description=described)


def is_due(step: int, steps: int, last: int) -> bool:
    """Whether a run of so many steps has ended one more of its parts since its last snapshot."""
    return SPACES * step // steps > SPACES * last // steps


def _half(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: tensor.to(torch.float16) if tensor.is_floating_point() and tensor.dim() > 1 else tensor
        for name, tensor in state.items()
    }
