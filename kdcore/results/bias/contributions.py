"""What each image contributes to a measure, [n, m], and the measure as a function of the means of these columns."""

import math

import numpy as np
from scipy.special import ndtr

from kdcore.results.bias.outcome import Observation, Outcome

BINS = 15  # of the calibration error, as in results/metrics
TINY = 1e-300  # instead of the probability 0, whose logarithm is multiplied by 0
NEARER = 1.5  # standard errors: so much nearer to 0 than observed a column's true mean may be


def right(seen: Observation) -> np.ndarray:
    return seen.outcome.right[:, None].astype(np.float64)


def right_beyond_chance(seen: Observation) -> np.ndarray:
    """Perturbed and clean, each minus chance."""
    assert seen.clean is not None
    pair = np.stack([seen.outcome.right, seen.clean.right], axis=1)
    found: np.ndarray = pair - 1 / seen.outcome.classes
    return found


def shape_and_texture(seen: Observation) -> np.ndarray:
    """Images whose shape, and whose texture, is predicted, of those on which they conflict."""
    textures, predicted = seen.outcome.textures, seen.outcome.predicted
    assert textures is not None
    conflict = conflicting(seen.outcome)
    pair = [conflict & (predicted == seen.outcome.targets), conflict & (predicted == textures)]
    return np.stack(pair, axis=1).astype(np.float64)


def conflicting(outcome: Outcome) -> np.ndarray:
    """The images whose texture is another class's than their shape, [n] booleans."""
    assert outcome.textures is not None
    found: np.ndarray = (outcome.textures >= 0) & (outcome.textures != outcome.targets)
    return found


def same_as_clean(seen: Observation) -> np.ndarray:
    assert seen.clean is not None
    return (seen.outcome.predicted == seen.clean.predicted)[:, None].astype(np.float64)


def divergence_from_clean(seen: Observation) -> np.ndarray:
    """Jensen-Shannon divergence of the probabilities to those on the clean image, nats."""
    assert seen.clean is not None
    return jensen_shannon(seen.outcome.logs, seen.clean.logs)[:, None]


def surprise(seen: Observation) -> np.ndarray:
    """Negative log-likelihood, nats."""
    return -np.take_along_axis(seen.outcome.logs, seen.outcome.targets[:, None].astype(np.int64), axis=1)


def calibration_gaps(seen: Observation) -> np.ndarray:
    """Right minus confidence in the column of the image's bin of confidence, 0 elsewhere, [n, 15]."""
    confidence = np.exp(seen.outcome.logs.max(axis=1))
    bins = np.clip((confidence * BINS).astype(np.int64), 0, BINS - 1)
    found = np.zeros((seen.outcome.count, BINS))
    np.put_along_axis(found, bins[:, None], (seen.outcome.right - confidence)[:, None], axis=1)
    return found


def same_as_teacher(seen: Observation) -> np.ndarray:
    assert seen.teacher is not None
    return (seen.outcome.predicted == seen.teacher.predicted)[:, None].astype(np.float64)


def divergence_from_teacher(seen: Observation) -> np.ndarray:
    """KL(teacher || network), nats."""
    assert seen.teacher is not None
    teacher = seen.teacher.logs
    found: np.ndarray = (np.exp(teacher) * (teacher - seen.outcome.logs)).sum(axis=1, keepdims=True)
    return found


def right_as_teacher(seen: Observation) -> np.ndarray:
    """Right: the network, the teacher, both alike."""
    assert seen.teacher is not None
    return right_of_both(seen.outcome.right, seen.teacher.right)


def right_of_both(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.stack([first, second, first == second], axis=1).astype(np.float64)


def jensen_shannon(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """From log-probabilities [n, K], nats: 0 to ln 2, [n]."""
    shares = np.exp(first), np.exp(second)
    middle = np.log(np.maximum((shares[0] + shares[1]) / 2, TINY))
    halves = (np.einsum("nk,nk->n", share, one - middle) for share, one in zip(shares, (first, second), strict=True))
    found: np.ndarray = sum(halves) / 2
    return found


def only(means: np.ndarray) -> np.ndarray:
    """The mean of a single column."""
    found: np.ndarray = means[..., 0]
    return found


def ratio(means: np.ndarray) -> np.ndarray:
    """The first mean as a share of the second."""
    found: np.ndarray = means[..., 0] / means[..., 1]
    return found


def share_of_first(means: np.ndarray) -> np.ndarray:
    found: np.ndarray = means[..., 0] / (means[..., 0] + means[..., 1])
    return found


def absolute_sum(means: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.abs(means).sum(axis=-1)
    return found


def upward_bias(columns: np.ndarray) -> float:
    """How far `absolute_sum` may be above its true value, in the mean over samples of as many images.

    The absolute value of a mean that is truly m, with the standard error s, is too large by
    s sqrt(2 / pi) exp(-m² / 2 s²) - 2 m Phi(-m / s), most of all at m = 0 (the folded normal distribution).

    Args:
        columns: each image's contributions, [n, m].
    """
    errors = np.maximum(columns.std(axis=0) / math.sqrt(len(columns)), TINY)
    distances = np.maximum(0, np.abs(columns.mean(axis=0)) / errors - NEARER)  # of m to 0, in standard errors
    folded = math.sqrt(2 / math.pi) * np.exp(-(distances**2) / 2) - 2 * distances * ndtr(-distances)
    return float((errors * folded).sum())


def kappa(means: np.ndarray) -> np.ndarray:
    """Cohen's kappa of `right_of_both`."""
    one, other, alike = np.moveaxis(means, -1, 0)
    expected = one * other + (1 - one) * (1 - other)
    found: np.ndarray = (alike - expected) / (1 - expected)
    return found
