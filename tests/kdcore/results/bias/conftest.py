"""Outcomes of made-up networks."""

from collections.abc import Callable

import numpy as np
import pytest

from kdcore.results.bias import Outcome

MakeOutcome = Callable[..., Outcome]


@pytest.fixture(scope="session")
def network() -> MakeOutcome:
    """An outcome of a network by its skill, how far the correct class stands out of random logits."""

    def make(
        skill: float, seed: int = 0, n: int = 400, classes: int = 5, textures: bool = False, **kinds: object
    ) -> Outcome:
        targets = np.arange(n) % classes
        logits = np.random.default_rng(seed).standard_normal((n, classes))
        logits[np.arange(n), targets] += skill
        of_texture = (targets + 1 + np.arange(n) // classes) % classes
        return Outcome(targets, logits.astype(np.float32), of_texture if textures else None)

    return make


@pytest.fixture
def predicting() -> MakeOutcome:
    """An outcome by its predicted classes."""

    def make(predicted: list[int], targets: list[int], textures: list[int] | None = None, classes: int = 4) -> Outcome:
        logits = np.where(np.eye(classes)[predicted] > 0, 5.0, 0.0)
        return Outcome(np.array(targets), logits, None if textures is None else np.array(textures))

    return make
