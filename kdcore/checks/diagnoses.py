"""What the answers of a teacher tell: one function a check, from answers to a finding. Nothing here runs a network."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment, minimize_scalar
from torch import Tensor

from kdcore.checks.findings import Finding, Remedy
from kdcore.checks.predictions import OWN, STUDENTS, Answers
from kdcore.checks.preflight import MAP_CLASSES, fine_tune
from kdcore.recipe import Recipe, TeacherRecipe, Term, schedules
from kdcore.results import metrics

MARGIN = 0.05  # of what lies between guessing and all right: so much better than guessing a teacher must be
WRONG_INPUT = 0.05  # points of accuracy that a given normalisation may cost
UNCALIBRATED = 0.15  # expected calibration error, judged on ...
ENOUGH = 100  # ... so many images, since fewer leave some of its bins to chance
ONE_HOT, FLAT = 0.05, 0.9  # mean entropy of soft labels, as a share of the largest there is
SENSIBLE = (0.1, 0.8)
ANOTHER = Remedy("Choose another teacher, one that was trained on this data")
HOTTEST = 100.0


def judge(answers: Answers, recipe: Recipe) -> tuple[tuple[Finding, ...], dict[str, float]]:
    """All findings that follow from a teacher's answers, and the figures behind them."""
    assert recipe.teacher is not None
    named = classes(answers, recipe.teacher)
    if len(answers.theirs) != len(answers.ours):
        return (named,), {}
    figures = measured(answers)
    right, causes = accuracy(answers, recipe.teacher, figures), [named, preprocessing(answers)]
    if any(cause.verdict == "stop" for cause in causes):  # its remedy is then the one that helps
        found = [*causes, dataclasses.replace(right, remedies=())]
    else:
        found = [right, *causes]
    if all(finding.verdict != "stop" for finding in found):  # else its confidence is about something else
        found += [calibration(figures), *soft_labels(answers, recipe)]
    return (*found, weights(answers)), figures


def measured(answers: Answers) -> dict[str, float]:
    """top1 with its interval, ece, nll; `guessing`, what always naming the commonest class gets; the `calibrating`
    temperature; `renumbered`, the top1 if the teacher's classes were best renumbered."""
    figures = metrics.classification(answers.logits, answers.targets)
    count = int(figures["count"])
    low, high = metrics.wilson(round(figures["top1"] * count), count)
    commonest = int(torch.bincount(answers.targets, minlength=len(answers.ours)).max())
    renumbered, _ = best_numbering(answers)
    return {
        **figures,
        "low": low,
        "high": high,
        "guessing": max(commonest / count, 1 / len(answers.ours)),
        "calibrating": calibrating_temperature(answers.logits, answers.targets),
        "renumbered": renumbered,
    }


def accuracy(answers: Answers, teacher: TeacherRecipe, figures: dict[str, float]) -> Finding:
    """Whether the teacher knows more than a student that always names the commonest class."""
    top1, guessing = figures["top1"], figures["guessing"]
    where = f"{int(figures['count'])} {_words(answers.split)}"
    right = f"{top1:.1%} of {where} right (95% interval {figures['low']:.1%} to {figures['high']:.1%})"
    least = guessing + MARGIN * (1 - guessing)
    if top1 >= least and figures["low"] > guessing:
        return Finding("accuracy", "ok", f"{right}; guessing gets {guessing:.1%}.")
    if top1 >= least:
        few = f"{right}, guessing gets {guessing:.1%}: on so few images the two cannot be told apart."
        return Finding("accuracy", "warn", few, (fine_tune(teacher), ANOTHER))
    said = (
        f"{right}. Always naming the commonest class gets {guessing:.1%}, and a teacher needs at least {least:.1%}: it "
    )
    renumbered, order = best_numbering(answers)
    if renumbered >= max(0.5, 2 * least):
        place = next(i for i, theirs in enumerate(order) if i != theirs)
        said += (
            f"would get {renumbered:.1%} if its classes were renumbered (what it calls {answers.theirs[order[place]]!r} is "
            f"{answers.ours[place]!r} in the data), so its labels are in another order."
        )
    else:
        said += "has nothing to teach here."
    return Finding("accuracy", "stop", said, (fine_tune(teacher), ANOTHER))


def best_numbering(answers: Answers) -> tuple[float, list[int]]:
    """The top1 under the renumbering of the teacher's classes that suits the labels best, and that renumbering: the
    place among its answers of each of the data's classes."""
    classes = len(answers.ours)
    pairs = answers.targets * classes + answers.logits.argmax(dim=1)
    confusion = torch.bincount(pairs, minlength=classes**2).view(classes, classes).numpy()  # [true, said]
    true, said = linear_sum_assignment(-confusion)
    return float(confusion[true, said].sum() / max(1, confusion.sum())), list(map(int, said))


def classes(answers: Answers, teacher: TeacherRecipe) -> Finding:
    """Whether both mean the same by each number."""
    theirs, ours = answers.theirs, answers.ours
    if theirs == ours:
        return Finding("classes", "ok", f"{len(ours)} classes, named and ordered as in the data.")
    mapped = (MAP_CLASSES,) if set(ours) <= set(theirs) else ()
    remedies = (*mapped, fine_tune(teacher), ANOTHER)
    if len(theirs) != len(ours):
        counts = f"The teacher answers {len(theirs)} classes, the data has {len(ours)}."
        return Finding("classes", "stop", counts, remedies, final=True)
    place = next(i for i, (their, our) in enumerate(zip(theirs, ours, strict=True)) if their != our)
    order = "the same names in another order" if set(theirs) == set(ours) else "other names"
    return Finding(
        "classes",
        "stop",
        f"Class {place} is {theirs[place]!r} to the teacher and {ours[place]!r} in the data ({order}): the student would "
        "learn wrong answers.",
        remedies,
    )


def preprocessing(answers: Answers) -> Finding:
    """What another normalisation of the images costs: the student's as a warning example, the weights' own as a test."""
    right = answers.logits.argmax(dim=1) == answers.targets
    top1 = right.double().mean().item()
    if OWN in answers.beside:
        own = answers.beside[OWN].argmax(dim=1) == answers.targets
        gap = metrics.paired_difference(own.numpy(), right.numpy())
        if gap["top1"] >= WRONG_INPUT and gap["mcnemar"] < 0.01:
            return Finding(
                "preprocessing",
                "stop",
                f"With the mean and std that the recipe gives, {top1:.1%} are right; with those that its weights come with, "
                f"{own.double().mean().item():.1%}.",
                (Remedy("Leave the normalisation to the weights", ("teacher.mean=null", "teacher.std=null")),),
            )
    if STUDENTS not in answers.beside:
        return Finding("preprocessing", "ok", "Teacher and student normalise images alike.")
    other = (answers.beside[STUDENTS].argmax(dim=1) == answers.targets).double().mean().item()
    return Finding(
        "preprocessing",
        "ok",
        f"Each network normalises images for itself. With the student's mean and std the teacher would get {other:.1%} "
        f"instead of {top1:.1%}.",
    )


def calibration(figures: dict[str, float]) -> Finding:
    """Whether its confidence can be believed."""
    ece, fitting = figures["ece"], figures["calibrating"]
    said = f"Its confidence and its accuracy are {ece:.1%} apart (expected calibration error on {figures['count']:.0f} images)"
    if figures["count"] < ENOUGH:
        return Finding("calibration", "ok", f"{said}, which are too few to judge it.")
    if ece < UNCALIBRATED:
        best = (
            f"; they fit best at temperature {fitting:.1f}" if figures["top1"] < 1 else ""
        )  # else the lower the better
        return Finding("calibration", "ok", f"{said}{best}.")
    how = "too sure of itself" if fitting > 1 else "too unsure of itself"
    return Finding(
        "calibration",
        "warn",
        f"{said}: it is {how}. At temperature {fitting:.1f} the two fit best.",
        (Remedy(f"Take a temperature near or above {fitting:.1f}, or a teacher that was trained less long"),),
    )


def soft_labels(answers: Answers, recipe: Recipe) -> Iterator[Finding]:
    """How much each term with a temperature hears beside the teacher's first answer, over the run."""
    low, high = (temperature_for(answers.logits, share) for share in SENSIBLE)
    sensible = f"{_written(low)} to {_written(high)}"
    middle = round(2 * temperature_for(answers.logits, 0.5)) / 2 or 0.5
    for place, term in enumerate(recipe.terms):
        if not _softens(term):
            continue
        course = schedules.parse(term.temperature, recipe.epochs)
        reached = sorted({round(course(epoch / recipe.epochs), 3) for epoch in range(recipe.epochs + 1)})
        ends = dict.fromkeys((reached[0], reached[-1]))
        shares = {t: entropy_share(answers.logits, t) for t in ends}
        said = " and ".join(f"{share:.0%} of the largest entropy at temperature {t:g}" for t, share in shares.items())
        text = (
            f"{term.label}: its soft labels have {said} (0% names one class, 100% says nothing). "
            f"Rule of thumb: {SENSIBLE[0]:.0%} to {SENSIBLE[1]:.0%}, here a temperature of {sensible}."
        )
        remedy = (
            Remedy(f"Set the temperature of {term.label} to {middle:g}", (f"terms.{place}.temperature={middle:g}",)),
        )
        unclear = any(share > FLAT or share < ONE_HOT for share in shares.values())
        yield Finding("soft labels", "warn" if unclear else "ok", text, remedy if unclear else ())


def weights(answers: Answers) -> Finding:
    return Finding("weights", "ok", f"SHA-256 over all its numbers: {answers.fingerprint[:16]}…")


def entropy_share(logits: Tensor, temperature: float) -> float:
    """Mean entropy of softmax(logits / temperature), as a share of ln K.

    Args:
        logits: [n, K].
    """
    log_p = (logits.double() / temperature).log_softmax(dim=1)
    return (-(log_p.exp() * log_p).sum(dim=1).mean() / math.log(logits.shape[1])).item()


def temperature_for(logits: Tensor, share: float) -> float:
    """The temperature at which the soft labels have this share of the largest entropy (which rises with it), up to 100."""
    low, high = 0.05, HOTTEST
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if entropy_share(logits, middle) < share else (low, middle)
    return math.sqrt(low * high)


def calibrating_temperature(logits: Tensor, targets: Tensor) -> float:
    """The temperature with the least negative log-likelihood (Guo et al., 2017, https://arxiv.org/abs/1706.04599)."""

    def loss(log_temperature: float) -> float:
        log_p = (logits.double() / math.exp(log_temperature)).log_softmax(dim=1)
        return -log_p[torch.arange(len(targets)), targets].mean().item()

    found = minimize_scalar(loss, bounds=(math.log(0.05), math.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def _softens(term: Term) -> bool:
    """Whether the term divides the teacher's logits, as they are, by its temperature."""
    return term.method in ("kd", "dkd", "dist", "nkd", "sskd") and term.options.get("variant") != "mse_centered"


def _words(split: str) -> str:
    return {"validation": "held-out images", "train": "training images"}.get(split, f"images of {split}")


def _written(temperature: float) -> str:
    return f"{temperature:.1f}"
