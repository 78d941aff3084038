"""Networks on a split: their logits, their figures, and whether student and twin really differ."""

import numpy as np
import torch
from torch import Tensor

from kdcore import metrics
from kdcore.data import Split, batches
from kdcore.models import Tapped, in_eval

BATCH = 256


def logits(model: Tapped, split: Split, *, precision: str = "fp32") -> Tensor:
    """What a model says of every image of a split, in order: [n, K], float32."""
    device = split.images.device
    with in_eval(model), torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        said = [
            model(batch.images, frozenset({"logits"})).logits
            for batch in batches(split, BATCH, seed=0, epoch=0, shuffle=False)
        ]
    return torch.cat(said).float()


def evaluate(model: Tapped, split: Split, *, precision: str = "fp32") -> dict[str, float]:
    """top1, nll, ece and count of a model on a split."""
    return metrics.classification(logits(model, split, precision=precision), split.targets)


def compare(models: dict[str, Tapped], split: Split, *, precision: str = "fp32") -> dict[str, dict[str, float]]:
    """Each network's figures on a split with its 95 % interval and, where both are there, student less twin.

    Returns:
        network -> top1, nll, ece, count, correct, low, high; `difference` as `metrics.paired_difference` gives it,
        and `agreement` -> student, twin: the share of images on which they answer as the teacher does.
    """
    results: dict[str, dict[str, float]] = {}
    right: dict[str, np.ndarray] = {}
    answers: dict[str, np.ndarray] = {}
    for name, model in models.items():
        said = logits(model, split, precision=precision)
        answers[name] = said.argmax(dim=1).cpu().numpy()
        right[name] = answers[name] == split.targets.cpu().numpy()
        correct = int(right[name].sum())
        low, high = metrics.wilson(correct, len(split))
        figures = metrics.classification(said, split.targets)
        results[name] = {**figures, "correct": correct, "low": low, "high": high}
    if {"student", "twin"} <= models.keys():
        results["difference"] = metrics.paired_difference(right["student"], right["twin"])
    if "teacher" in models:
        results["agreement"] = {
            name: float((answers[name] == answers["teacher"]).mean()) for name in models if name != "teacher"
        }
    return results
