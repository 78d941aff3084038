"""Evaluates networks on perturbed test sets: outcomes that are kept, similarity of layers, sensitivity of heatmaps.

    for progress in assess({"student": student, "twin": twin}, split, [CLEAN, parse("patch_scramble@4")]):
        ...

`conditions` names what networks are evaluated on, `samples` chooses the images, `assessment` computes outcomes and `kept` stores
them; `results.bias` turns outcomes into measures.
"""

from kdcore.robustness.conditions import CLEAN, Condition, parse

__all__ = ["CLEAN", "Condition", "parse"]
