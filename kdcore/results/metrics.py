"""Numbers from tensors, and how sure they are. Fractions, not percent; intervals of 95 %."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor

BINS = 15


def classification(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """top1, nll (nats), ece and count over labelled images; of two classes also those of `two_classes`.

    ece: expected calibration error with 15 equal bins of confidence (Guo et al., 2017, https://arxiv.org/abs/1706.04599).

    Args:
        logits: [n, K].
        targets: [n], every one a class.
    """
    probabilities = logits.double().softmax(dim=1)
    confidence, guess = probabilities.max(dim=1)
    right = (guess == targets).double()
    bins = (confidence * BINS).long().clamp(0, BINS - 1)  # NaN, whose bin is arbitrary, makes ece NaN
    gaps = torch.zeros(BINS, dtype=torch.double, device=logits.device).scatter_add_(0, bins, right - confidence)
    return {
        "top1": right.mean().item(),
        "nll": F.cross_entropy(logits.double(), targets).item(),
        "ece": (gaps.abs().sum() / len(targets)).item(),
        "count": len(targets),
        **(two_classes(logits, targets) if logits.shape[1] == 2 else {}),
    }


def two_classes(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """auroc, sensitivity and specificity, with class 1 as the positive one; what has no image to be measured on is left out.

    auroc: how often a positive image scores above a negative one, a tie counting half (Mann and Whitney's U over all
    pairs). sensitivity, specificity: the share of the positive, and of the negative, that are answered rightly.

    Args:
        logits: [n, 2].
        targets: [n], 0 or 1.
    """
    scores = (logits[:, 1] - logits[:, 0]).double().cpu().numpy()
    positive = targets.cpu().numpy() == 1
    answered = logits.argmax(dim=1).cpu().numpy() == 1
    positives, negatives = int(positive.sum()), int((~positive).sum())
    figures = {}
    if positives and negatives:
        ranks = stats.rankdata(scores)[positive].sum()
        figures["auroc"] = float((ranks - positives * (positives + 1) / 2) / (positives * negatives))
    if positives:
        figures["sensitivity"] = float(answered[positive].mean())
    if negatives:
        figures["specificity"] = float((~answered[~positive]).mean())
    return figures


def wilson(correct: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson's score interval)."""
    interval = stats.binomtest(correct, count).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def paired_difference(first: np.ndarray, second: np.ndarray, *, seed: int = 0, draws: int = 10_000) -> dict[str, float]:
    """How much more often the first of two networks is right on the same images, with a paired bootstrap interval.

    Args:
        first, second: [n] booleans, right or wrong, image by image.

    Returns:
        top1 (difference), low, high, only_first, only_second (images that only one of them gets right) and
        mcnemar (p-value of the exact McNemar test).
    """
    count = len(first)
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    alike = count - only_first - only_second
    # resampling images with replacement draws the three kinds from a multinomial
    drawn = np.random.default_rng(seed).multinomial(count, np.array([only_first, only_second, alike]) / count, draws)
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / count, [0.025, 0.975])
    apart = only_first + only_second
    return {
        "top1": (only_first - only_second) / count,
        "low": float(low),
        "high": float(high),
        "only_first": only_first,
        "only_second": only_second,
        "mcnemar": float(stats.binomtest(only_first, apart).pvalue) if apart else 1.0,
    }
