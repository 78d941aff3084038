"""Parts of losses that several methods share."""

import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.tensors.outputs import NO_LABEL


def mean_of_labelled(losses: Tensor, targets: Tensor) -> Tensor:
    """Mean of losses [B] over the images that have a label; zero (with a graph) where there are none."""
    labelled = targets != NO_LABEL
    return losses.where(labelled, 0).sum() / labelled.sum().clamp(min=1)


def without_target(logits: Tensor, targets: Tensor) -> Tensor:
    """The logits of all classes but the target, [B, K] -> [B, K - 1]. For an image without a label any one class is dropped."""
    columns = torch.arange(logits.shape[1] - 1, device=logits.device)
    return logits.gather(1, columns + (columns >= targets[:, None]).long())


def decoupled(student: Tensor, teacher: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """KL(teacher || student) of logits [B, K] in two parts, [B] each: the target against the rest, and the other classes
    among themselves (Zhao et al., CVPR 2022, https://arxiv.org/abs/2203.08679, equation 7)."""
    others = (
        F.log_softmax(without_target(student, targets), dim=1),
        F.log_softmax(without_target(teacher, targets), dim=1),
    )
    return _kl(_target_or_not(student, targets), _target_or_not(teacher, targets)), _kl(*others)


def _target_or_not(logits: Tensor, targets: Tensor) -> Tensor:
    """Log probabilities [B, 2] of the target and of the rest. Computing 1 - p would lose a rest below 1e-7."""
    target = logits.gather(1, targets.clamp(min=0)[:, None])
    rest = without_target(logits, targets).logsumexp(dim=1, keepdim=True)
    return F.log_softmax(torch.cat([target, rest], dim=1), dim=1)


def _kl(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || student) of log probabilities [B, K], for each image, [B]."""
    return F.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=1)


def unit(vectors: Tensor) -> Tensor:
    """Vectors [..., D] scaled to length 1. A zero vector stays zero, with a finite gradient."""
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / length.where(length > 1e-8, 1)
