"""Similarity of the features of two networks: linear CKA between all their layers, debiased, a batch at a time.

Kornblith et al., ICML 2019, https://arxiv.org/abs/1905.00414; in batches: Nguyen, Raghu & Kornblith, ICLR 2021,
https://arxiv.org/abs/2010.15327. The estimate of HSIC is unbiased (Song et al., JMLR 2012), so that the value does not depend on
the size of the batches, and is about 0 for features that have nothing in common, however many there are.
"""

from collections.abc import Sequence

import numpy as np

LEAST_IMAGES = 4  # of a batch


class MinibatchCKA:
    """Linear CKA between each layer of a first network and each of a second, over batches of images.

    cka = MinibatchCKA()
    for images in batches:
        cka.update([gram(features) for features in first(images)], [gram(features) for features in second(images)])
    cka.value()  # [A, B]
    """

    def __init__(self) -> None:
        self.images = 0
        self._between: np.ndarray | float = 0.0  # sums of HSIC over batches, weighted by their images
        self._first: np.ndarray | float = 0.0
        self._second: np.ndarray | float = 0.0

    def update(self, first: Sequence[np.ndarray] | np.ndarray, second: Sequence[np.ndarray] | np.ndarray) -> None:
        """Add a batch of the same images in both networks.

        Args:
            first, second: a Gram matrix [n, n] of each layer, or all of them as [A, n, n]; n at least 4.
        """
        one = _Grams(first)
        other = one if second is first else _Grams(second)
        assert one.images == other.images, "the same images in both networks"
        assert one.images >= LEAST_IMAGES, f"{one.images} images; HSIC needs {LEAST_IMAGES}"
        self.images += one.images
        self._between = self._between + one.images * one.hsic(other)
        self._first = self._first + one.images * one.own_hsic()
        self._second = self._second + one.images * other.own_hsic()

    def value(self) -> np.ndarray:
        """CKA, [A, B]: 1 for the same features up to rotation and scale, about 0 for unrelated ones; NaN for constant features."""
        first, second = np.asarray(self._first), np.asarray(self._second)
        scale = np.sqrt(np.maximum(first[:, None], 0) * np.maximum(second[None, :], 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            found: np.ndarray = np.where(scale > 0, self._between / scale, np.nan)
        return np.minimum(found, 1.0)


def gram(features: np.ndarray) -> np.ndarray:
    """The inner products of a batch's features, [n, n]; features [n, ...] of any further shape."""
    flat = features.reshape(len(features), -1).astype(np.float64)
    flat -= flat.mean(axis=0)  # HSIC does not change, and the numbers stay small
    found: np.ndarray = flat @ flat.T
    return found


def cka(first: np.ndarray, second: np.ndarray) -> float:
    """Debiased linear CKA of features [n, ...] and [n, ...] of the same images, all at once."""
    whole = MinibatchCKA()
    whole.update([gram(first)], [gram(second)])
    return float(whole.value()[0, 0])


class _Grams:
    """Gram matrices of several layers without their diagonals, with the sums that HSIC needs of each."""

    def __init__(self, grams: Sequence[np.ndarray] | np.ndarray) -> None:
        whole = np.array(grams, dtype=np.float64)  # [A, n, n]
        self.images = whole.shape[1]
        places = np.arange(self.images)
        whole[:, places, places] = 0
        self.rows = whole.sum(axis=1)  # [A, n]
        self.sums = self.rows.sum(axis=1)  # [A]
        self.flat = whole.reshape(len(whole), -1)

    def hsic(self, other: "_Grams") -> np.ndarray:
        """The unbiased estimate of HSIC between all layers, [A, B] (HSIC_1 of Song et al.)."""
        products, sums, rows = self.flat @ other.flat.T, np.outer(self.sums, other.sums), self.rows @ other.rows.T
        return self._hsic(products, sums, rows)

    def own_hsic(self) -> np.ndarray:
        """The same of each layer with itself, [A]."""
        products = np.einsum("ai,ai->a", self.flat, self.flat)
        return self._hsic(products, self.sums**2, np.einsum("ai,ai->a", self.rows, self.rows))

    def _hsic(self, products: np.ndarray, sums: np.ndarray, rows: np.ndarray) -> np.ndarray:
        n = self.images
        found: np.ndarray = (products + sums / ((n - 1) * (n - 2)) - 2 / (n - 2) * rows) / (n * (n - 3))
        return found
