"""The moving average of a network's weights (EMA), which is evaluated and saved in place of those of the last step."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from timm.utils import ModelEmaV3

from kdcore.models import Tapped
from kdcore.models.fitting import load_state
from kdcore.training import evaluation

if TYPE_CHECKING:
    from kdcore.training.state import Parts


class Averaged:
    """A copy of a network whose weights, and statistics of BatchNorm, are moving averages over the steps.

    In step t the average moves towards the network by 1 - min(decay, 1 - t^(-2/3)): from the first weights on, which it
    forgets, to the decay of the recipe (timm's warm-up).
    """

    def __init__(self, network: Tapped, decay: float) -> None:
        self._average = ModelEmaV3(network, decay, use_warmup=True)
        self.network: Tapped = self._average.module

    def update(self, network: Tapped, step: int) -> None:
        """After a step, counted from 1 at the beginning of the run."""
        self._average.update(network, step)

    def load_state(self, state: dict[str, Any]) -> None:
        load_state(self.network, state)


def compared(parts: "Parts", averaged: dict[str, dict[str, float]]) -> Generator[None, None, str]:
    """A sentence on the validation accuracy with averaged weights and with those of the last step. Yields between batches.

    Args:
        averaged: network -> its metrics on the validation images.
    """
    assert parts.validation is not None
    last = {name: learner.distiller.student for name, learner in parts.learners.items() if name in averaged}
    found = yield from evaluation.evaluate_in_steps(last, parts.validation, precision=parts.recipe.precision)
    both = "; ".join(
        f"{name} {100 * averaged[name]['top1']:.1f} %, with the weights of the last step {100 * found[name]['top1']:.1f} %"
        for name in last
    )
    return f"Averaged weights (optimizer.ema: {parts.recipe.optimizer.ema:g}) are evaluated and saved. On the validation images: {both}."
