"""Diagnoses of a finished run: faults that its numbers show, each as a sentence with what to try next.

Plain data in, sentences out. They describe the networks, the labels and the training; what may be claimed about the
difference of student and twin is in `comparison`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from kdcore.recipe import Recipe
from kdcore.recipe.terms import SUPERVISED
from kdcore.results.comparison import Results, points
from kdcore.results.comparison.conclusion import LEAST_APART, LEAST_IMAGES
from kdcore.results.comparison.paired import Paired
from kdcore.results.predictions import confusion

LEARNERS = ("student", "twin")
ONE_CLASS = 0.99  # of the predictions
ENOUGH_LABELS = 20  # labelled images a class, on which a network should learn something
RISE, FALL = 2.0, 0.9  # a loss that reached so many times its start, and never fell to so much of it, has diverged
LAST = 5  # logged steps that count as the end
UNEVEN = 1.2  # times the mean share: a class that is worth naming as the most common one
MARGIN = 0.05  # a teacher must beat guessing by this share of what guessing leaves to 100 %
CONFIDENT = 0.3  # a teacher's expected calibration error, from which on it is sure of wrong predictions
SPREAD = 2  # a class is predicted at most so many times as often as the most common one occurs
GAP, SURE = 0.05, 3.0  # validation above test: in accuracy, and in standard errors
SHOWN = 4
LOOK_AT_LABELS = "Look at some training images with their labels (a preview is on the page Train)."


@dataclass(frozen=True)
class Evidence:
    """What a run has recorded.

    results: as in `events.RunFinished`; predictions: as in `Store.test_predictions`, None where they were not stored.
    series: as in `Store.series`. validation: network -> its last metrics on the validation images, the teacher's too.
    gradients: the last measurement, with `shares` and `idle`. changes: settings that a user changed during the run, each
        with step, epoch, knob and factor.
    """

    recipe: Recipe
    results: Results
    classes: tuple[str, ...]
    predictions: Mapping[str, np.ndarray] | None = None
    series: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    validation: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    labelled_images: int = 0
    gradients: Mapping[str, Any] = field(default_factory=dict)
    changes: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Diagnosis:
    """A fault in a few words, as a sentence, and what to try next. `note`: it explains the result, rather than devalue it."""

    kind: str
    finding: str
    remedy: str
    note: bool = False

    @property
    def in_words(self) -> str:
        return f"{self.finding} {self.remedy}"


def diagnose(evidence: Evidence) -> tuple[Diagnosis, ...]:
    """Every fault that the evidence shows, the gravest first. Empty for a run without results."""
    if not evidence.results:
        return ()
    diverged = _diverged(evidence)
    found = [
        diverged, *_useless(evidence, advise=diverged is None), _shuffled(evidence), _teacher(evidence), _above_test(evidence),
        _changed(evidence), *_small_gradients(evidence),
    ]  # fmt: skip
    return tuple(diagnosis for diagnosis in found if diagnosis)


def _diverged(evidence: Evidence) -> Diagnosis | None:
    """A loss that ended far above its start, or was there once and left the network at chance."""
    words = []
    for network in LEARNERS:
        losses = _losses(evidence, network)
        if len(losses) < 2:
            continue
        start, end, most = float(losses[0]), float(np.median(losses[-LAST:])), float(np.max(losses))
        if not np.isfinite(losses).all():
            words.append(f"the {network}'s loss was not finite")
        elif end > RISE * start or (most > RISE * start and end > FALL * start and _fault(evidence, network)):
            words.append(f"the {network}'s loss began at {start:.3g}, rose to {most:.3g} and ended at {end:.3g}")
    if not words:
        return None
    lr = evidence.recipe.optimizer.lr
    tries = [f"a tenth of it (optimizer.lr={lr / 10:g})"]
    if not evidence.recipe.lr.warmup_epochs and evidence.recipe.epochs > 1:
        tries.append("a warmup (lr.warmup_epochs=1)")
    if evidence.recipe.optimizer.clip is None:
        tries.append("clipped gradients (optimizer.clip=1)")
    return Diagnosis(
        "diverged",
        f"Training diverged: {' and '.join(words)}. The learning rate of {lr:g} is probably too high.",
        f"Try {' or '.join(tries)}.",
    )


def _useless(evidence: Evidence, *, advise: bool) -> Iterator[Diagnosis]:
    """Student and twin: always one class, below the majority class, or at chance."""
    faults = {name: fault for name in LEARNERS if (fault := _fault(evidence, name))}
    empty = sum(kind in ("at chance", "one class") for kind, _ in faults.values())
    both = " So their difference says nothing about the teacher." if empty == len(LEARNERS) else ""
    for kind in dict.fromkeys(kind for kind, _ in faults.values()):
        own = {name: words for name, (found, words) in faults.items() if found == kind}
        remedy = _next_for(kind, evidence, list(own)) if advise else "Fix the training first."
        yield Diagnosis(kind, " ".join(own.values()) + both, remedy)


def _fault(evidence: Evidence, network: str) -> tuple[str, str] | None:
    """What a network's predictions are no better than: kind and sentence."""
    figures = evidence.results.get(network, {})
    if not {"top1", "low", "high"} <= figures.keys() or not evidence.classes:
        return None
    guessing, how = _guessing(evidence)
    top1 = f"{figures['top1']:.1%} of the test images"
    if one := _only_class(evidence, network):
        name, share = one
        return "one class", f"The {network} predicts {name!r} for {share} and so gets {top1} right."
    if figures["high"] < guessing and guessing > 1 / len(evidence.classes):
        return "below the majority class", f"The {network} gets {top1} right; {how} would get {guessing:.1%}."
    if figures["low"] <= guessing:
        return (
            "at chance",
            f"The {network} gets {top1} right, which cannot be told from chance: {how} gets {guessing:.1%}.",
        )
    return None


def _next_for(kind: str, evidence: Evidence, networks: list[str]) -> str:
    if kind == "below the majority class":
        return (
            "Compare the balanced accuracy and the classes below, train longer, or give each class equally many images: the "
            "accuracy alone rewards the most common class."
        )
    losses = [own for name in networks if len(own := _losses(evidence, name)) > 1]
    if not losses:
        return f"Train longer, or at another learning rate. {LOOK_AT_LABELS}"
    if any(own[-1] < FALL * own[0] for own in losses):
        return f"The training loss fell, so what is learned does not carry over to the test images. {LOOK_AT_LABELS}"
    lr = evidence.recipe.optimizer.lr
    return (
        f"The training loss did not fall: try another learning rate (now {lr:g}; a tenth of it is optimizer.lr={lr / 10:g}) and "
        f"more epochs. {LOOK_AT_LABELS}"
    )


def _shuffled(evidence: Evidence) -> Diagnosis | None:
    """Training labels that carry no information, seen from networks that learn all the same."""
    results, classes = evidence.results, evidence.classes
    if not {"twin", "teacher", "student"} <= results.keys() or not classes or _near_chance(evidence, "teacher"):
        return None
    guessing, _ = _guessing(evidence)
    shown = evidence.labelled_images >= ENOUGH_LABELS * len(classes)
    if not (shown and _fault(evidence, "twin") and results["student"].get("low", 0.0) > guessing):
        return None
    noise = evidence.recipe.data.label_noise
    return Diagnosis(
        "labels look shuffled",
        f"The twin has {evidence.labelled_images:,} labels and stays at {results['twin']['top1']:.1%}, though the teacher agrees "
        f"with the test labels ({results['teacher']['top1']:.1%}) and the student learns from it "
        f"({results['student']['top1']:.1%}): the training labels look shuffled."
        + (f" The recipe makes {noise:.0%} of them wrong (data.label_noise)." if noise else ""),
        f"{LOOK_AT_LABELS} If they are right, the twin's learning rate may be unsuitable (twin.lr).",
    )


def _teacher(evidence: Evidence) -> Diagnosis | None:
    """A teacher near chance, or weaker than the twin."""
    if not (teacher := evidence.results.get("teacher")):
        return None
    right = f"The teacher gets {teacher['top1']:.1%} of the test images right"
    if _near_chance(evidence, "teacher"):
        guessing, how = _guessing(evidence)
        finding = f"{right}; {how} gets {guessing:.1%}."
        if evidence.recipe.teacher and evidence.recipe.teacher.accept:
            finding += " The recipe accepts it all the same (teacher.accept)."
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
            f"{right}, the twin, which has no teacher, {twin:.1%}{how}.",
            "Choose a stronger teacher, or fine-tune this one on the data first (teacher.finetune: {epochs: 3}).",
        )
    return None


def _confidently_wrong(evidence: Evidence, finding: str) -> Diagnosis:
    renumbered = _renumbered(evidence)
    if renumbered is not None and renumbered >= 0.5:
        return Diagnosis(
            "classes in another order",
            f"{finding} With its classes renumbered it would get {renumbered:.1%}.",
            "Its classes are in another order than the data's: set teacher.map_classes=true, or rename the class folders.",
        )
    return Diagnosis(
        "labels look shuffled",
        f"{finding} It is sure of its predictions, though (expected calibration error {evidence.results['teacher']['ece']:.1%}): "
        "either the labels are shuffled, or it gets other input than in its training.",
        f"{LOOK_AT_LABELS} Then check the teacher's normalisation (leave teacher.mean and teacher.std out).",
    )


def _above_test(evidence: Evidence) -> Diagnosis | None:
    """A student whose accuracy on validation images is far above that on test images."""
    validation, test = evidence.validation.get("student", {}), evidence.results["student"]
    images, test_images = validation.get("count") or 0, test.get("count") or 0
    if not (images > 0 and test_images > 0):
        return None
    one, other = validation["top1"], test["top1"]
    error = math.sqrt(max(0.0, one * (1 - one) / images + other * (1 - other) / test_images))
    if one - other < max(GAP, SURE * error):
        return None
    return Diagnosis(
        "validation above test",
        f"The student gets {one:.1%} of the validation images right, but {other:.1%} of the test images. Validation images are "
        "taken from the training images, so the test images differ from these, or images of both are alike.",
        "Look for duplicates in the training folder, and for test images from another source; augmentation "
        "(data.augment=[flip, crop]) helps against differences.",
    )


def _changed(evidence: Evidence) -> Diagnosis | None:
    if not evidence.changes:
        return None
    words = [
        f"{_knob(change['knob'])} × {change['factor']:g} at epoch {change['epoch']:.1f} (step {change['step']:,})"
        for change in evidence.changes[-SHOWN:]
    ]
    if (more := len(evidence.changes) - SHOWN) > 0:
        words.insert(0, f"{more} earlier change{'s' * (more > 1)}")
    return Diagnosis(
        "changed during the run",
        f"A user changed settings during the run: {'; '.join(words)}. The result is not that of the recipe.",
        "To repeat it, put the values into a recipe and train again.",
    )


def _knob(knob: str) -> str:
    return f"weight of {knob.removeprefix('weight/')}" if knob.startswith("weight/") else knob.replace("_", " ")


def _small_gradients(evidence: Evidence) -> Iterator[Diagnosis]:
    """Terms with hardly any of the gradient. Whether they have an effect, only a control run can show."""
    for term, weight in evidence.gradients.get("idle", {}).items():
        share = evidence.gradients["shares"][term]
        place = next((place for place, own in enumerate(evidence.recipe.terms) if own.label == term), None)
        control = f" (--set terms.{place}.weight=0)" if place is not None else ""
        yield Diagnosis(
            "small share of the gradient",
            f"{term} contributed {'less than 0.1 %' if share < 0.001 else f'{share:.1%}'} of the gradient in the last "
            "measurement. That is its share, not its effect: a small gradient in one direction can still change the student.",
            f"A run without it{control} shows the effect; at a weight of about {float(f'{weight:.2g}'):g} it would contribute as "
            "much as the other terms.",
            note=True,
        )


def _losses(evidence: Evidence, network: str) -> np.ndarray:
    """The network's loss on the labels over the logged steps, else its total."""
    for term in (SUPERVISED, "total"):
        if f"loss/{network}/{term}" in evidence.series:
            return np.asarray(evidence.series[f"loss/{network}/{term}"][1], dtype=float)
    return np.empty(0)


def _guessing(evidence: Evidence) -> tuple[float, str]:
    """The accuracy of guessing on the test images, and how to get it."""
    share, classes = 1 / len(evidence.classes), evidence.classes
    if evidence.predictions is not None:
        counts = np.bincount(evidence.predictions["targets"], minlength=len(classes))
        most = float(counts.max() / counts.sum())
        if most > UNEVEN * share:
            return most, f"always predicting {classes[int(counts.argmax())]!r}"
        share = max(share, most)
    return share, "guessing"


def _only_class(evidence: Evidence, network: str) -> tuple[str, str] | None:
    """The class that a network (nearly) always predicts, and for how many images; None where the images are of one class."""
    if evidence.predictions is None:
        return None
    predicted, targets = evidence.predictions[network], evidence.predictions["targets"]
    counts = np.bincount(predicted, minlength=len(evidence.classes))
    share = counts.max() / counts.sum()
    if share < ONE_CLASS or len(np.unique(targets)) == 1:
        return None
    words = "every test image" if share == 1 else f"{share:.1%} of the test images"
    return evidence.classes[int(counts.argmax())], words


def _uses_classes(evidence: Evidence) -> bool:
    """Whether the teacher's predictions are spread over the classes, as far as they are known."""
    if evidence.predictions is None:
        return True
    most, common = (np.bincount(evidence.predictions[name]).max() for name in ("teacher", "targets"))
    return bool(most <= SPREAD * common)


def _near_chance(evidence: Evidence, network: str) -> bool:
    figures = evidence.results[network]
    if not evidence.classes:
        return False
    guessing, _ = _guessing(evidence)
    return figures["top1"] < guessing + MARGIN * (1 - guessing) or figures.get("low", 1.0) <= guessing


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
    return f" (95 % interval of the difference {points(low)} to {points(high)} percentage points)" if high < 0 else ""


def _renumbered(evidence: Evidence) -> float | None:
    """The teacher's accuracy under the renumbering of its classes that fits the labels best."""
    if evidence.predictions is None:
        return None
    counts = confusion(evidence.predictions["targets"], evidence.predictions["teacher"], len(evidence.classes))
    return float(counts[linear_sum_assignment(-counts)].sum() / counts.sum())
