"""Evaluates networks on perturbed test sets: outcomes that are kept, similarity of layers, sensitivity of heatmaps.

    for progress in assess({"student": student, "twin": twin}, split, [CLEAN, parse("patch_scramble@4")]):
        ...

`conditions` names what networks are evaluated on, `samples` chooses the images, `assessment` computes outcomes, `kept` stores them,
and `evaluation` does all three for references; `results.bias` turns outcomes into measures.
"""

from kdcore.robustness.assessment import Outcomes, Progress, assess
from kdcore.robustness.conditions import CLEAN, Condition, parse
from kdcore.robustness.evaluation import evaluate, evaluation

__all__ = ["CLEAN", "Condition", "Outcomes", "Progress", "assess", "evaluate", "evaluation", "parse"]
