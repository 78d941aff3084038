"""What distillation methods are made of: the base class, the card that describes one, and what several methods share."""

from kdcore.methods.base.card import Card
from kdcore.methods.base.layers import check_pairs, coarser_grid, pairs_by_depth
from kdcore.methods.base.losses import decoupled, mean_of_labelled, unit, without_target
from kdcore.methods.base.method import Method
from kdcore.methods.base.options import Count, Factor, Layers, Positive, Share, Side, Steps, Width

__all__ = [
    "Card", "Count", "Factor", "Layers", "Method", "Positive", "Share", "Side", "Steps", "Width", "check_pairs", "coarser_grid",
    "decoupled", "mean_of_labelled", "pairs_by_depth", "unit", "without_target",
]  # fmt: skip
