"""Structured pruning: which channels of a network are removed, and the smaller network without them.

    found = pruning.prune(student, 0.5, "attention", images=images, teacher=teacher)
    found.model             # a Tapped network with half the multiply-accumulates
    found.in_words()        # what it had and has

A `score` orders the channels (`scores`), `budget` decides how many of them each layer keeps, and `dependencies` knows which layers
lose a channel together. The smaller network is described by its widths (`models.pruned`), so its weight file opens anywhere.
"""

from kdcore.pruning.pruning import Pruned, prune
from kdcore.pruning.scores import SCORES, Score

__all__ = ["SCORES", "Pruned", "Score", "prune"]
