"""The teacher: near chance, weaker than the twin, sure of wrong predictions."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from kdcore.results.comparison import Figure, ends
from kdcore.results.comparison.conclusion import LEAST_APART, LEAST_IMAGES
from kdcore.results.comparison.paired import Paired
from kdcore.results.diagnoses.evidence import (
    LOOK_AT_LABELS,
    MORE_IMAGES,
    Diagnosis,
    Evidence,
    best_guess,
    clear_of_guessing,
)
from kdcore.results.predictions import confusion

CONFIDENT = 0.3  # a teacher's expected calibration error, from which on it is sure of wrong predictions
SPREAD = 2  # a class is predicted at most so many times as often as the most common one occurs


def unfit_teacher(evidence: Evidence) -> Diagnosis | None:
    """A teacher near chance, or weaker than the twin."""
    if not (teacher := evidence.results.get("teacher")):
        return None
    right = f"The teacher gets {100 * teacher['top1']:.1f} % of the test images right"
    if near_chance(evidence, "teacher"):
        guessing, how = best_guess(evidence)
        finding = f"{right}; {how} gets {100 * guessing:.1f} %."
        if evidence.recipe.teacher and evidence.recipe.teacher.accept:
            finding += " The recipe accepts it all the same (teacher.accept)."
        if clear_of_guessing(teacher["top1"], guessing):
            return Diagnosis(
                "teacher on few test images",
                f"{finding} So few images do not show that it is better.",
                MORE_IMAGES,
            )
        if (ece := teacher.get("ece")) is None or ece < CONFIDENT or not _uses_classes(evidence):
            return Diagnosis(
                "teacher at chance", finding,
                "Choose a teacher that was trained on these classes, or fine-tune it first (teacher.finetune: {epochs: 3}).",
            )  # fmt: skip
        return _confidently_wrong(evidence, finding)
    if "twin" in evidence.results and (how := _weaker(evidence)):
        twin = evidence.results["twin"]["top1"]
        return Diagnosis(
            "teacher weaker than the twin",
            f"{right}, the twin, which has no teacher, {100 * twin:.1f} %{how}.",
            "Choose a stronger teacher, or fine-tune this one on the data first (teacher.finetune: {epochs: 3}).",
        )
    return None


def _confidently_wrong(evidence: Evidence, finding: str) -> Diagnosis:
    renumbered = _renumbered(evidence)
    if renumbered is not None and renumbered >= 0.5:
        return Diagnosis(
            "classes in another order",
            f"{finding} With its classes renumbered it would get {100 * renumbered:.1f} %.",
            "Its classes are in another order than the data's: set teacher.map_classes=true, or rename the class folders.",
        )
    return Diagnosis(
        "labels look shuffled",
        f"{finding} It is sure of its predictions, though (expected calibration error {100 * evidence.results['teacher']['ece']:.1f} %): "
        "either the labels are shuffled, or it gets other input than in its training.",
        f"{LOOK_AT_LABELS} Then check the teacher's normalisation (leave teacher.mean and teacher.std out).",
    )


def near_chance(evidence: Evidence, network: str) -> bool:
    """Whether a network is not shown to be better than guessing."""
    figures = evidence.results[network]
    if not evidence.classes:
        return False
    guessing, _ = best_guess(evidence)
    return not clear_of_guessing(figures["top1"], guessing) or figures.get("low", 1.0) <= guessing


def _uses_classes(evidence: Evidence) -> bool:
    """Whether the teacher's predictions are spread over the classes, as far as they are known."""
    if evidence.predictions is None:
        return True
    most, common = (np.bincount(evidence.predictions[name]).max() for name in ("teacher", "targets"))
    return bool(most <= SPREAD * common)


def _weaker(evidence: Evidence) -> str:
    """How it shows that the teacher is weaker than the twin; empty where it does not."""
    if evidence.predictions is None:
        teacher, twin = evidence.results["teacher"], evidence.results["twin"]
        return ", with intervals apart" if teacher.get("high", 1.0) < twin.get("low", 0.0) else ""
    targets = evidence.predictions["targets"]
    teacher, twin = (evidence.predictions[name] == targets for name in ("teacher", "twin"))
    paired = Paired(int((teacher & ~twin).sum()), int((twin & ~teacher).sum()), len(targets))
    if paired.count < LEAST_IMAGES or paired.only_first + paired.only_second < LEAST_APART:
        return ""
    low, high = paired.interval()
    return (
        f" (95 % interval of the difference {ends(Figure(paired.mean, low, high))} percentage points)"
        if high < 0
        else ""
    )


def _renumbered(evidence: Evidence) -> float | None:
    """The teacher's accuracy under the renumbering of its classes that fits the labels best."""
    if evidence.predictions is None:
        return None
    counts = confusion(evidence.predictions["targets"], evidence.predictions["teacher"], len(evidence.classes))
    return float(counts[linear_sum_assignment(-counts)].sum() / counts.sum())
