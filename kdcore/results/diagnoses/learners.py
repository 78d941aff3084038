"""Student and twin: training that diverged, predictions no better than guessing, labels that teach nothing."""

from collections.abc import Iterator

import numpy as np

from kdcore.recipe.references import RandomWeights
from kdcore.results.comparison import minus
from kdcore.results.diagnoses.evidence import (
    LOOK_AT_LABELS,
    MORE_IMAGES,
    Diagnosis,
    Evidence,
    best_guess,
    clear_of_guessing,
    label_losses,
)
from kdcore.results.diagnoses.length import FEWEST_STEPS, NEEDS, SMALL_BATCH, epochs_for
from kdcore.results.diagnoses.teacher import near_chance

LEARNERS = ("student", "twin")
FEW = "too few test images"
ONE_CLASS = 0.99  # of the predictions
OF_OTHERS = 10  # test images of other classes: of fewer, a network that knows them may have none right
ENOUGH_LABELS = 20  # labelled images a class, on which a network should learn something
RISE, FALL = 2.0, 0.9  # a loss that reached so many times its start, and never fell to so much of it, has diverged
LAST = 5  # logged steps that count as the end; fewer say nothing of how a loss went


def diverged(evidence: Evidence) -> Diagnosis | None:
    """A loss that ended far above its start, or was there once and left the network at chance."""
    words = []
    for network in LEARNERS:
        losses = label_losses(evidence, network)
        if np.isfinite(losses).all() and len(losses) < LAST:
            continue
        start, end, most = float(losses[0]), float(np.median(losses[-LAST:])), float(np.max(losses))
        if not np.isfinite(losses).all():
            words.append(f"the {network}'s loss was not finite")
        elif end > RISE * start or (most > RISE * start and end > FALL * start and _failed(evidence, network)):
            began, rose, ended = (minus(f"{value:.3g}") for value in (start, most, end))
            words.append(f"the {network}'s loss began at {began}, rose to {rose} and ended at {ended}")
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


def useless(evidence: Evidence, *, advise: bool) -> Iterator[Diagnosis]:
    """Student and twin: always one class, below the majority class or chance, or at chance."""
    faults = {name: fault for name in LEARNERS if (fault := fault_of(evidence, name))}
    empty = sum(kind in ("at chance", "one class") for kind, _ in faults.values())
    both = (
        " So the difference between student and twin says nothing about the teacher." if empty == len(LEARNERS) else ""
    )
    kinds = list(dict.fromkeys(kind for kind, _ in faults.values()))
    for kind in kinds:
        own = {name: words for name, (found, words) in faults.items() if found == kind}
        remedy = _next_for(kind, evidence, list(own)) if advise or kind == FEW else "Fix the training first."
        yield Diagnosis(kind, " ".join(own.values()) + (both if kind == kinds[-1] else ""), remedy)


def fault_of(evidence: Evidence, network: str) -> tuple[str, str] | None:
    """What a network's predictions are no better than: kind and sentence."""
    figures = evidence.results.get(network, {})
    if not {"top1", "low", "high"} <= figures.keys() or not evidence.classes:
        return None
    guessing, how = best_guess(evidence)
    top1 = f"{100 * figures['top1']:.1f} % of the test images"
    if one := _only_class(evidence, network):
        name, share = one
        return "one class", f"The {network} predicts {name!r} for {share} and so gets {top1} right."
    if figures["high"] < guessing:
        kind = "below the majority class" if guessing > 1 / len(evidence.classes) else "below chance"
        return kind, f"The {network} gets {top1} right; {how} would get {100 * guessing:.1f} %."
    if figures["low"] > guessing:
        return None
    found = f"The {network} gets {top1} right"
    if clear_of_guessing(figures["top1"], guessing):
        return FEW, f"{found}; {how} gets {100 * guessing:.1f} %. So few images do not show that it is better."
    return "at chance", f"{found}, which cannot be told from chance: {how} gets {100 * guessing:.1f} %."


def _failed(evidence: Evidence, network: str) -> bool:
    """Whether a network's predictions are no better than guessing, not only too few to be shown better."""
    fault = fault_of(evidence, network)
    return fault is not None and fault[0] != FEW


def _next_for(kind: str, evidence: Evidence, networks: list[str]) -> str:
    if kind == FEW:
        return MORE_IMAGES
    if kind == "below the majority class":
        return (
            "Compare the balanced accuracy and the classes below, train longer, or give each class equally many images: the "
            "accuracy alone rewards the most common class."
        )
    if kind == "below chance":
        return (
            "Such predictions are wrong too often for guessing: the classes may be in another order in the training images than in "
            f"the test images. {LOOK_AT_LABELS}"
        )
    if short := _too_short(evidence):
        return short
    losses = [own for name in networks if len(own := label_losses(evidence, name)) >= LAST]
    if not losses:
        return f"Train longer, or at another learning rate. {LOOK_AT_LABELS}"
    if any(own[-1] < FALL * own[0] for own in losses):
        return f"The training loss fell, so what is learned does not carry over to the test images. {LOOK_AT_LABELS}"
    lr = evidence.recipe.optimizer.lr
    return (
        f"The training loss did not fall: try another learning rate (now {lr:g}; a tenth of it is optimizer.lr={lr / 10:g}) and "
        f"more epochs. {LOOK_AT_LABELS}"
    )


def _contradicts_labels(evidence: Evidence, guessing: float) -> bool:
    """Whether the labels of the training images are others than those of the test images, not only hard to learn in so few steps.

    Either the student, which learns from the teacher, has far fewer of them right in training than test images, or the twin has
    learnt them by heart.
    """
    midway = (guessing + evidence.results["student"]["top1"]) / 2
    student, twin = (_top1_in_training(evidence, network) for network in LEARNERS)
    return (student is not None and student < midway) or (twin is not None and twin > midway)


def _top1_in_training(evidence: Evidence, network: str) -> float | None:
    """Accuracy on the labelled images of the last quarter of the steps; None where it was not recorded."""
    values = np.asarray(evidence.series.get(f"train_top1/{network}", ((), ()))[1], dtype=float)
    values = values[np.isfinite(values)]
    return float(values[-max(1, len(values) // 4) :].mean()) if len(values) >= LAST else None


def _too_short(evidence: Evidence) -> str:
    """What to try where the run had too few steps; empty where it had enough, or where its network was trained before."""
    steps = int(max((series[0][-1] for name, series in evidence.series.items() if name.startswith("loss/")), default=0))
    recipe = evidence.recipe
    if not 0 < steps < FEWEST_STEPS or not isinstance(recipe.student.reference, RandomWeights):
        return ""
    epochs = epochs_for(steps / recipe.epochs)
    smaller = f", or smaller batches (data.batch_size={SMALL_BATCH})" if recipe.data.batch_size > SMALL_BATCH else ""
    return (
        f"The run had {steps} steps, and a {NEEDS} (so do the running averages of "
        f"BatchNorm): train for {epochs} epochs (epochs={epochs}){smaller}."
    )


def _only_class(evidence: Evidence, network: str) -> tuple[str, str] | None:
    """The class that a network (nearly) always predicts, and for how many images; None where too few images are of another class,
    or nearly all are of that one and others are predicted too."""
    if evidence.predictions is None:
        return None
    predicted, targets = evidence.predictions[network], evidence.predictions["targets"]
    counts = np.bincount(predicted, minlength=len(evidence.classes))
    share, place = counts.max() / counts.sum(), int(counts.argmax())
    others = int((targets != place).sum())
    if share < ONE_CLASS or others < OF_OTHERS or (share < 1 and others <= (1 - ONE_CLASS) * len(targets)):
        return None
    words = "every test image" if share == 1 else f"{100 * share:.1f} % of the test images"
    return evidence.classes[place], words


def shuffled(evidence: Evidence) -> Diagnosis | None:
    """Training labels that carry no information, seen from networks that learn all the same."""
    results, classes = evidence.results, evidence.classes
    if not {"twin", "teacher", "student"} <= results.keys() or not classes or near_chance(evidence, "teacher"):
        return None
    guessing, _ = best_guess(evidence)
    shown = evidence.labelled_images >= ENOUGH_LABELS * len(classes)
    if not (shown and _failed(evidence, "twin") and results["student"].get("low", 0.0) > guessing):
        return None
    if not _contradicts_labels(evidence, guessing):
        return None
    noise = evidence.recipe.data.label_noise
    return Diagnosis(
        "labels look shuffled",
        f"The twin has {evidence.labelled_images:,} labels and stays at {100 * results['twin']['top1']:.1f} %, though the teacher agrees "
        f"with the test labels ({100 * results['teacher']['top1']:.1f} %) and the student learns from it "
        f"({100 * results['student']['top1']:.1f} %): the training labels look shuffled."
        + (f" The recipe makes {100 * noise:.0f} % of them wrong (data.label_noise)." if noise else ""),
        f"{LOOK_AT_LABELS} If they are right, the twin's learning rate may be unsuitable (twin.lr).",
    )
