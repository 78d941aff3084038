"""How terms share the loss, and how a teacher's layers share a term."""

from kdcore.weighting.adaptive import Adaptation, AdaptiveWeights
from kdcore.weighting.gradients import GradientBalance, GradientMeter, Pull, gradient_norms
from kdcore.weighting.layers import LayerWeights, capped
from kdcore.weighting.selection import SCORES, LayerSelection, activation_scores
from kdcore.weighting.terms import TermWeights
from kdcore.weighting.uncertainty import UncertaintyWeights

__all__ = [
    "SCORES", "Adaptation", "AdaptiveWeights", "GradientBalance", "GradientMeter", "LayerSelection", "LayerWeights", "Pull",
    "TermWeights", "UncertaintyWeights", "activation_scores", "capped", "gradient_norms",
]  # fmt: skip
