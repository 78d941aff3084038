"""Numbers from tensors, and how sure they are. Fractions, not percent; intervals of 95 %."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from scipy.optimize import minimize_scalar
from torch import Tensor

from kdcore.results.comparison.paired import Paired
from kdcore.results.comparison.share import wilson as wilson

BINS = 15
COLDEST, HOTTEST = 0.05, 100.0  # temperatures that are tried


def classification(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """top1, nll (nats), ece and count over labelled images; of two classes also those of `two_classes`.

    ece: expected calibration error with 15 equal bins of confidence (Guo et al., 2017, https://arxiv.org/abs/1706.04599).

    Args:
        logits: [n, K].
        targets: [n], every one a class.
    """
    return {
        "top1": (logits.double().softmax(dim=1).argmax(dim=1) == targets).double().mean().item(),
        "nll": F.cross_entropy(logits.double(), targets).item(),
        "ece": calibration_error(logits, targets),
        "count": len(targets),
        **(two_classes(logits, targets) if logits.shape[1] == 2 else {}),
    }


def calibration_error(logits: Tensor, targets: Tensor, temperature: float = 1.0) -> float:
    """The expected calibration error of softmax(logits / temperature); arguments as in `classification`."""
    confidence, guess = (logits.double() / temperature).softmax(dim=1).max(dim=1)
    bins = (confidence * BINS).long().clamp(0, BINS - 1)  # NaN, whose bin is arbitrary, makes the result NaN
    gaps = torch.zeros(BINS, dtype=torch.double, device=logits.device)
    gaps.scatter_add_(0, bins, (guess == targets).double() - confidence)
    return (gaps.abs().sum() / len(targets)).item()


def calibrating_temperature(logits: Tensor, targets: Tensor) -> float:
    """The temperature, 0.05 to 100, with the least negative log-likelihood (Guo et al., 2017, https://arxiv.org/abs/1706.04599).

    Where every prediction is right, the colder the better. NaN for outputs that are not finite.
    """
    if not torch.isfinite(logits).all():
        return math.nan
    logits = logits.double()

    def loss(log_temperature: float) -> float:
        return F.cross_entropy(logits / math.exp(log_temperature), targets).item()

    found = minimize_scalar(loss, bounds=(math.log(COLDEST), math.log(HOTTEST)), method="bounded")
    return math.exp(found.x)


def divergence(teacher: Tensor, network: Tensor) -> float:
    """KL(teacher || network) of the predicted probabilities, in nats, mean over images.

    Args:
        teacher, network: logits [n, K].
    """
    of_teacher, of_network = teacher.double().log_softmax(dim=1), network.double().log_softmax(dim=1)
    return F.kl_div(of_network, of_teacher, reduction="batchmean", log_target=True).item()


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


def paired_difference(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """How much more often the first of two networks is right on the same images, with Tango's interval (`comparison.paired`).

    Args:
        first, second: [n] booleans, right or wrong, image by image.

    Returns:
        top1 (difference), low, high, only_first, only_second (images that only one of them gets right) and
        mcnemar (p-value of the exact McNemar test).
    """
    count = len(first)
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    low, high = Paired(only_first, only_second, count).interval()
    apart = only_first + only_second
    return {
        "top1": (only_first - only_second) / count,
        "low": low,
        "high": high,
        "only_first": only_first,
        "only_second": only_second,
        "mcnemar": float(stats.binomtest(only_first, apart).pvalue) if apart else 1.0,
    }
