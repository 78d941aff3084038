"""The criteria of the teacher check, a function each: from a teacher's predictions to a finding. Runs no network."""

import dataclasses
import math
from collections.abc import Iterator

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from kdcore import methods
from kdcore.checks import training_images
from kdcore.checks.findings import Finding, Remedy
from kdcore.checks.predictions import OWN, STUDENTS, Predictions
from kdcore.checks.preflight import MAP_CLASSES, fine_tune
from kdcore.recipe import Recipe, TeacherRecipe, Term, schedules
from kdcore.recipe.references import RandomWeights, WeightFile
from kdcore.results import metrics
from kdcore.results.diagnoses import CONFIDENT, SPREAD

MARGIN = 0.05  # a teacher must beat guessing by this share of what guessing leaves to 100 %
NORMALISATION_COST = 0.05  # of accuracy, that a given normalisation may lose
UNCALIBRATED = 0.15  # expected calibration error, judged on ...
ENOUGH_IMAGES = 100  # ... so many images, since fewer leave some of its bins to chance
LARGER_SPLIT = 0.3  # of the training images, for validation, where there are few
MOST_NAMED = 30  # classes in a sentence
ONE_HOT, FLAT = 0.05, 0.9  # mean entropy of soft labels, as a share of the maximum
USEFUL = (0.1, 0.8)
LOOK_AT_LABELS = Remedy("Look at some training images with their labels (a preview is on the page Train)")
OTHER_TEACHER = Remedy("Choose a teacher that was trained on this data")


def judge(predictions: Predictions, recipe: Recipe) -> tuple[tuple[Finding, ...], dict[str, float]]:
    """All findings that follow from a teacher's predictions, and the figures behind them."""
    assert recipe.teacher is not None
    named = classes(predictions, recipe.teacher)
    if len(predictions.teacher_classes) != len(predictions.data_classes):
        return (named,), {}
    figures = measured(predictions)
    accurate, causes = accuracy(predictions, recipe, figures), [named, preprocessing(predictions)]
    if any(cause.verdict == "stop" for cause in causes):  # the cause's remedy is the one that helps
        found = [*causes, dataclasses.replace(accurate, remedies=())]
    else:
        found = [accurate, *causes]
    if all(finding.verdict != "stop" for finding in found):  # otherwise its confidence means nothing
        found += [calibration(figures, recipe), *soft_labels(predictions, recipe, figures)]
    return (*found, weights(predictions)), figures


def measured(predictions: Predictions) -> dict[str, float]:
    """top1 with its interval, ece, nll; `seen`, the share of the split that the teacher was trained on, where it is known;
    `guessing`, the accuracy of always predicting the most common class; the `calibrating` temperature; `renumbered`, the top1
    under the best renumbering of the teacher's classes."""
    figures = metrics.classification(predictions.logits, predictions.targets)
    count, classes = int(figures["count"]), len(predictions.data_classes)
    low, high = metrics.wilson(round(figures["top1"] * count), count)
    most_common = int(torch.bincount(predictions.targets, minlength=classes).max())
    renumbered, _ = best_numbering(predictions)
    return {
        **figures,
        "low": low,
        "high": high,
        "guessing": max(most_common / count, 1 / classes),
        "calibrating": metrics.calibrating_temperature(predictions.logits, predictions.targets),
        "renumbered": renumbered,
        **({} if predictions.seen is None else {"seen": predictions.seen}),
    }


def accuracy(predictions: Predictions, recipe: Recipe, figures: dict[str, float]) -> Finding:
    """Whether the teacher is better than always predicting the most common class."""
    teacher = recipe.teacher
    assert teacher is not None
    top1, guessing = figures["top1"], figures["guessing"]
    images = f"{int(figures['count'])} {_images_of(predictions.split)}"
    correct = f"{100 * top1:.1f} % of {images} correct (95 % interval {100 * figures['low']:.1f} % to {100 * figures['high']:.1f} %)"
    least = guessing + MARGIN * (1 - guessing)
    known = training_images.in_words(predictions.seen, _images_of(predictions.split))
    if top1 >= least and figures["low"] > guessing:
        return Finding("accuracy", "ok", f"{correct}; guessing gets {100 * guessing:.1f} %. {known}")
    if top1 >= least:
        few = f"{correct}; guessing gets {100 * guessing:.1f} %. So few images do not show that the teacher is better. {known}"
        return Finding("accuracy", "warn", few, (*_more_images(predictions, recipe), fine_tune(teacher), OTHER_TEACHER))
    text = f"{correct}. Always predicting the most common class gets {100 * guessing:.1f} %; a teacher needs at least {100 * least:.1f} %. "
    renumbered, order = best_numbering(predictions)
    if renumbered >= max(0.5, 2 * least):
        place = next(i for i, output in enumerate(order) if i != output)
        text += (
            f"With its classes renumbered it would get {100 * renumbered:.1f} % (its class "
            f"{predictions.teacher_classes[order[place]]!r} is {predictions.data_classes[place]!r} in the data), so its "
            "classes are in another order."
        )
        if isinstance(teacher.reference, WeightFile):
            return Finding(
                "accuracy", "stop", text, (_named_in_order(predictions, order), fine_tune(teacher), OTHER_TEACHER)
            )
    elif figures["ece"] >= CONFIDENT and _uses_classes(predictions):
        text += (
            f"It is sure of its predictions, though (expected calibration error {100 * figures['ece']:.0f} %): the labels may be shuffled "
            "or wrong, or its input is not that of its training."
        )
        return Finding("accuracy", "stop", text, (LOOK_AT_LABELS, OTHER_TEACHER, fine_tune(teacher)))
    else:
        random = "Its weights are random: a" if isinstance(teacher.reference, RandomWeights) else "A"
        text += f"{random} student would learn nothing from it."
    return Finding("accuracy", "stop", text, (fine_tune(teacher), OTHER_TEACHER))


def _named_in_order(predictions: Predictions, order: list[int]) -> Remedy:
    """Weights that were imported with their classes in another order than that of their outputs. order: as of `best_numbering`."""
    names = [name for _, name in sorted(zip(order, predictions.data_classes, strict=True))]
    listed = f": {', '.join(names)}" if len(names) <= MOST_NAMED else ""
    return Remedy(
        f"Import its weights again with the names of its classes in the order of its outputs (--classes FILE){listed}"
    )


def _more_images(predictions: Predictions, recipe: Recipe) -> tuple[Remedy, ...]:
    """A larger validation split, where one is taken from the training images and it is small."""
    few = len(predictions.targets) < ENOUGH_IMAGES and predictions.split == "validation"
    if not few or recipe.data.validation >= LARGER_SPLIT:
        return ()
    title = f"Hold out more images to check it on, {100 * LARGER_SPLIT:.0f} % of those for training"
    return (Remedy(title, (f"data.validation={LARGER_SPLIT:g}",)),)


def _uses_classes(predictions: Predictions) -> bool:
    """Whether the predictions are spread over the classes; a network that collapsed predicts one or two."""
    most = torch.bincount(predictions.logits.argmax(dim=1)).max()
    return bool(most <= SPREAD * torch.bincount(predictions.targets).max())


def best_numbering(predictions: Predictions) -> tuple[float, list[int]]:
    """The top1 under the renumbering of the teacher's classes that fits the labels best, and that renumbering: for each
    class of the data the index of the teacher's output."""
    classes = len(predictions.data_classes)
    pairs = predictions.targets * classes + predictions.logits.argmax(dim=1)
    confusion = torch.bincount(pairs, minlength=classes**2).view(classes, classes).numpy()  # [true, predicted]
    true, predicted = linear_sum_assignment(-confusion)
    return float(confusion[true, predicted].sum() / max(1, confusion.sum())), list(map(int, predicted))


def classes(predictions: Predictions, teacher: TeacherRecipe) -> Finding:
    """Whether each output of the teacher is the class that the data gives the same number."""
    of_teacher, of_data = predictions.teacher_classes, predictions.data_classes
    if of_teacher == of_data:
        return Finding("classes", "ok", f"{len(of_data)} classes, with the data's names in the data's order.")
    mapped = (MAP_CLASSES,) if set(of_data) <= set(of_teacher) else ()
    remedies = (*mapped, fine_tune(teacher), OTHER_TEACHER)
    if len(of_teacher) != len(of_data):
        counts = f"The teacher has {len(of_teacher)} classes, the data has {len(of_data)}."
        return Finding("classes", "stop", counts, remedies, final=True)
    place = next(i for i, (one, other) in enumerate(zip(of_teacher, of_data, strict=True)) if one != other)
    order = "the same names in another order" if set(of_teacher) == set(of_data) else "other names"
    return Finding(
        "classes",
        "stop",
        f"Class {place} is {of_teacher[place]!r} for the teacher and {of_data[place]!r} in the data ({order}): the "
        "student would learn wrong labels.",
        remedies,
    )


def preprocessing(predictions: Predictions) -> Finding:
    """What another normalisation of the images costs: a given one is compared with the weights' own; the student's is
    shown for information."""
    correct = predictions.logits.argmax(dim=1) == predictions.targets
    top1 = correct.double().mean().item()
    if OWN in predictions.alternatives:
        with_own = predictions.alternatives[OWN].argmax(dim=1) == predictions.targets
        gap = metrics.paired_difference(with_own.numpy(), correct.numpy())
        if gap["top1"] >= NORMALISATION_COST and gap["mcnemar"] < 0.01:
            return Finding(
                "preprocessing",
                "stop",
                f"With the mean and std of the recipe its accuracy is {100 * top1:.1f} %; with those of its weights it is "
                f"{100 * with_own.double().mean().item():.1f} %.",
                (Remedy("Use the normalisation of the weights", ("teacher.mean=null", "teacher.std=null")),),
            )
    if STUDENTS not in predictions.alternatives:
        return Finding("preprocessing", "ok", "Teacher and student normalise images alike.")
    other = (predictions.alternatives[STUDENTS].argmax(dim=1) == predictions.targets).double().mean().item()
    return Finding(
        "preprocessing",
        "ok",
        f"Each network normalises images with its own mean and std. With the student's the teacher's accuracy would be "
        f"{100 * other:.1f} % instead of {100 * top1:.1f} %.",
    )


def calibration(figures: dict[str, float], recipe: Recipe) -> Finding:
    """Whether the teacher's confidence matches its accuracy, or the terms' temperatures make up for that it does not."""
    ece, fitting = figures["ece"], figures["calibrating"]
    text = f"Expected calibration error {100 * ece:.1f} % on {figures['count']:.0f} images"
    if figures["count"] < ENOUGH_IMAGES:
        return Finding("calibration", "ok", f"{text}, which are too few to judge it.")
    if ece < UNCALIBRATED:
        best = f"; least at temperature {fitting:.1f}" if figures["top1"] < 1 else ""  # else the lower the better
        return Finding("calibration", "ok", f"{text}{best}.")
    how = "overconfident" if fitting > 1 else "underconfident"
    text = f"{text}: the teacher is {how}. Its confidence fits best at temperature {fitting:.1f}"
    if fitting <= 1:
        remedy = Remedy(f"Use a temperature of about {fitting:.1f}, or a teacher that was trained for more epochs")
        return Finding("calibration", "warn", f"{text}.", (remedy,))
    softening = [term for term in recipe.terms if _softens(term)]
    if softening and all(schedules.lowest(term.temperature, recipe.epochs) >= fitting for term in softening):
        return Finding("calibration", "ok", f"{text}, and no term has a lower one.")
    remedy = Remedy(f"Use a temperature of about {fitting:.1f} or more, or a teacher that was trained for fewer epochs")
    return Finding("calibration", "warn", f"{text}.", (remedy,))


def soft_labels(predictions: Predictions, recipe: Recipe, figures: dict[str, float]) -> Iterator[Finding]:
    """How much the soft labels of each term with a temperature say beyond the predicted class, over the run."""
    low, high = (temperature_for(predictions.logits, share) for share in USEFUL)
    middle = temperature_for(predictions.logits, 0.5)
    if figures["ece"] >= UNCALIBRATED and figures["count"] >= ENOUGH_IMAGES:  # no less than its calibration calls for
        middle = max(middle, min(figures["calibrating"], high))
    middle = round(2 * middle) / 2 or 0.5
    for place, term in enumerate(recipe.terms):
        if not _softens(term):
            continue
        schedule = schedules.parse(term.temperature, recipe.epochs)
        reached = sorted({round(schedule(epoch / recipe.epochs), 3) for epoch in range(recipe.epochs + 1)})
        ends = dict.fromkeys((reached[0], reached[-1]))
        shares = {t: entropy_share(predictions.logits, t) for t in ends}
        entropies = " and ".join(
            f"{100 * share:.0f} % of the maximum at temperature {t:g}" for t, share in shares.items()
        )
        text = (
            f"{term.label}: the entropy of its soft labels is {entropies} (0 %: a single class; 100 %: all classes alike). "
            f"Rule of thumb: {100 * USEFUL[0]:.0f} % to {100 * USEFUL[1]:.0f} %, here a temperature from {low:.1f} to {high:.1f}."
        )
        remedy = Remedy(
            f"Set the temperature of {term.label} to {middle:g}", (f"terms.{place}.temperature={middle:g}",)
        )
        unclear = any(share > FLAT or share < ONE_HOT for share in shares.values())
        yield Finding("soft labels", "warn" if unclear else "ok", text, (remedy,) if unclear else ())


def weights(predictions: Predictions) -> Finding:
    """The fingerprint of the teacher's weights, so that two checks can be compared."""
    return Finding("weights", "ok", f"SHA-256 of parameters and buffers: {predictions.fingerprint[:16]}…")


def entropy_share(logits: Tensor, temperature: float) -> float:
    """Mean entropy of softmax(logits / temperature), as a share of its maximum ln K.

    Args:
        logits: [n, K].
    """
    log_p = (logits.double() / temperature).log_softmax(dim=1)
    return (-(log_p.exp() * log_p).sum(dim=1).mean() / math.log(logits.shape[1])).item()


def temperature_for(logits: Tensor, share: float) -> float:
    """The temperature, up to 100, at which the soft labels have this share of the maximal entropy, which rises with it."""
    low, high = metrics.COLDEST, metrics.HOTTEST
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if entropy_share(logits, middle) < share else (low, middle)
    return math.sqrt(low * high)


def _softens(term: Term) -> bool:
    """Whether the term divides the teacher's logits, unchanged, by its temperature."""
    return term.method in methods.names() and methods.get(term.method).softens(term.options)


def _images_of(split: str) -> str:
    return {"validation": "validation images", "train": "training images"}.get(split, f"images of {split}")
