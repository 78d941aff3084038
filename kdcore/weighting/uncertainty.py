"""Learned weights: the uncertainty of each term, as a log variance.

Kendall, Gal & Cipolla, CVPR 2018, https://arxiv.org/abs/1705.07115
"""

import torch
from torch import Tensor, nn


class UncertaintyWeights(nn.Module):
    """Total loss sum_i w_i * exp(-s_i) * loss_i + s_i / 2, where s_i = log(variance of term i) is learned and starts at 0.

    This is the paper's form for classification, for every term; the factor 1/2 that a regression has there belongs to w_i.
    At the minimum each term contributes 1/2, whatever its scale. The s_i of a term that does not count now (w_i = 0)
    is left out: s_i / 2 on its own has no minimum.
    """

    def __init__(self, terms: tuple[str, ...]) -> None:
        super().__init__()
        self.terms = terms
        self.log_variances = nn.Parameter(torch.zeros(len(terms)))  # [terms]; one dimension, so no weight decay

    def forward(self, losses: dict[str, Tensor], weights: dict[str, float]) -> tuple[Tensor, dict[str, Tensor]]:
        """The total, and the weight of each loss."""
        scale = torch.exp(-self.log_variances)
        counted = {name: weights[name] * scale[place] for place, name in enumerate(self.terms)}
        price = sum(self.log_variances[place] / 2 for place, name in enumerate(self.terms) if weights[name] > 0)
        total = sum((counted[name] * loss for name, loss in losses.items()), scale.new_zeros(())) + price
        return total, {name: weight.detach() for name, weight in counted.items()}
