"""Stratified sampling of images, seeded. A larger sample holds every smaller one of the same seed."""

import numpy as np

Seed = tuple[int, ...]


def balanced(targets: np.ndarray, n: int, seed: Seed) -> np.ndarray:
    """Sorted places of n images with the classes as balanced as possible.

    Args:
        targets: [N] int; a class with too few images contributes all of them.
    """
    return np.sort(in_turns(targets, seed)[:n])


def in_turns(targets: np.ndarray, seed: Seed) -> np.ndarray:
    """All places in an order whose first n images are balanced, whatever n is."""
    rank = _ranks(targets, seed)
    classes = np.random.default_rng((*seed, 1)).permutation(
        int(targets.max(initial=0)) + 1
    )  # which contribute one more
    return np.lexsort((classes[targets], rank))


def share(targets: np.ndarray, part: float, seed: Seed) -> np.ndarray:
    """Sorted places of a share of every class, at least one image of a class that has two or more."""
    if not part:
        return np.arange(0)
    counts = np.bincount(targets)
    wanted = np.maximum(np.round(part * counts), counts > 1)
    return np.flatnonzero(_ranks(targets, seed) < wanted[targets])


def _ranks(targets: np.ndarray, seed: Seed) -> np.ndarray:
    """Each image's rank in a random order of its class: [N]."""
    order = np.random.default_rng(seed).permutation(len(targets))
    by_class = order[np.argsort(targets[order], kind="stable")]
    counts = np.bincount(targets)
    rank = np.empty(len(targets), dtype=np.int64)
    rank[by_class] = np.arange(len(targets)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank
