"""The corruptions of CIFAR-10-C, one file each, with the published parameters; made on this machine, not the published files.

Hendrycks & Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261; the parameters are those of `ImageNet-C/create_c/make_cifar_c.py`
in https://github.com/hendrycks/robustness. Strength is the severity, 1 to 5. Lengths in pixels (of blurs, flakes, drops, frost)
are for images of 32 pixels and are scaled with the shorter side of others; ImageNet-C's own parameters, which are stronger, are
not used at any size. Each is a set of its own, by its file's name alone: `fog@3`.
"""

from collections.abc import Sequence
from typing import TypeVar

from kdcore.data.perturbations.pixels import check_whole

T = TypeVar("T")
SEVERITY = "severity (1 to 5)"
SEVERITIES = (1, 2, 3, 4, 5)
USUAL = 3
SOURCE = "Hendrycks & Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"


def at_severity(table: Sequence[T], severity: float, name: str) -> T:
    """The published parameters at a severity from 1 to 5. `name` is the corruption's, in words. Raises UserError."""
    return table[check_whole(severity, 1, len(table), f"The severity of {name}") - 1]
