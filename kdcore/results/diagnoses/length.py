"""How many steps a network with random weights needs at least, and for how many epochs a run has them."""

import math

# below it small students ended with one class for every image, which those of as many did not: BatchNorm is evaluated with
# running averages, into which each step enters with a tenth (docs/own.md)
FEWEST_STEPS = 100
NEEDS = f"network with random weights needs about {FEWEST_STEPS}"  # in the warning before a run, and in the diagnosis after it
SMALL_BATCH = 16  # images; on a few hundred images as accurate as larger ones, in the same number of steps


def epochs_for(steps_per_epoch: float) -> int:
    """The least number of epochs with enough steps."""
    return math.ceil(FEWEST_STEPS / steps_per_epoch)
