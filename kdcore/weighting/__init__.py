"""Weights of the terms of a loss, and of a teacher's layers in a term: schedules, adaptation, balance, selection."""

from kdcore.weighting.adaptive import Adaptation, AdaptiveWeights
from kdcore.weighting.gradients import GradientBalance, GradientMeter, GradientShares, gradient_norms
from kdcore.weighting.layers import LayerWeights, capped
from kdcore.weighting.selection import SCORES, LayerSelection, activation_scores
from kdcore.weighting.terms import TermWeights
from kdcore.weighting.uncertainty import UncertaintyWeights

__all__ = [
    "SCORES", "Adaptation", "AdaptiveWeights", "GradientBalance", "GradientMeter", "GradientShares", "LayerSelection",
    "LayerWeights", "TermWeights", "UncertaintyWeights", "activation_scores", "capped", "gradient_norms",
]  # fmt: skip
