"""Snapshots: the weights of student and twin at up to nine points of a run, to look at later.

A checkpoint holds all that a run resumes from; it is large, and the newest three are enough. A snapshot holds weights alone:
matrices in half precision, vectors (norms, biases, running statistics) in full, as in `models.save`.

Disk: 2 bytes a weight, student and twin, at most 9 snapshots: 18 bytes a weight in all. The three checkpoints of a run with
AdamW hold 36, so snapshots make a run's folder half as large again: 3 MiB for `quick`, 0.9 GiB for two ResNet-50.
"""

from pathlib import Path

import torch
from torch import Tensor

from kdcore.store import RunWriter
from kdcore.store.run_files import checkpoint
from kdcore.training.state import Parts

SPACES = 8  # equal parts of a run; a snapshot at its beginning and at the end of each part


def begin(parts: Parts, writer: RunWriter) -> None:
    """Take the first snapshot of a run. Of a resumed one, remove those after its step: they will be taken again."""
    for step, path in writer.snapshots().items():
        if step > parts.step:
            path.unlink()
    keep(parts, writer)


def keep(parts: Parts, writer: RunWriter) -> None:
    """Take a snapshot if one more part of the run has ended since the last."""
    kept = writer.snapshots()
    if kept and not is_due(parts.step, parts.steps, max(kept)):
        return
    networks = {name: _half(learner.network.state_dict()) for name, learner in parts.learners.items()}
    described = {name: parts.models[name].description() for name in networks}
    path: Path = writer.snapshot_path(parts.step)
    checkpoint.save(networks, path, description=described)


def is_due(step: int, steps: int, last: int) -> bool:
    """Whether one more part of a run has ended since the snapshot at step `last`."""
    return SPACES * step // steps > SPACES * last // steps


def _half(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: tensor.to(torch.float16) if tensor.is_floating_point() and tensor.dim() > 1 else tensor
        for name, tensor in state.items()
    }
