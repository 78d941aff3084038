"""Refuses outputs of a network that are infinite or not a number, before anything is measured on them."""

import torch
from torch import Tensor

from kdcore.errors import NotFinite


def check_finite(logits: Tensor, whose: str = "The network") -> None:
    """Refuse logits [n, K] that are not all numbers.

    Raises:
        NotFinite: names how many images they are of.
    """
    wrong = int((~torch.isfinite(logits).all(dim=1)).sum())
    if wrong:
        raise NotFinite(
            f"{whose}'s outputs are infinite or not a number for {wrong:,} of {len(logits):,} images: its weights are damaged, or "
            "its training diverged. Use weights from an earlier checkpoint or another source."
        )
