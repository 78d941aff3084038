"""Conditions of a result: a test unlike the validation, settings that a user changed, terms with a small share of the gradient."""

from collections.abc import Iterator

from kdcore.results.comparison.share import least_gap
from kdcore.results.diagnoses.evidence import Diagnosis, Evidence

GAP, SURE = 0.05, 3.0  # validation above test: in accuracy, and in standard errors
SHOWN = 4


def above_test(evidence: Evidence) -> Diagnosis | None:
    """A student whose accuracy on validation images is far above that on test images."""
    validation, test = evidence.validation.get("student", {}), evidence.results["student"]
    images, test_images = validation.get("count") or 0, test.get("count") or 0
    if not (images > 0 and test_images > 0):
        return None
    one, other = validation["top1"], test["top1"]
    if not (one - other >= GAP and least_gap((one, images), (other, test_images), SURE) > 0):
        return None
    return Diagnosis(
        "validation above test",
        f"The student gets {100 * one:.1f} % of the validation images right, but {100 * other:.1f} % of the test images. Validation images are "
        "taken from the training images, so the test images differ from these, or images of both are alike.",
        "Look for duplicates in the training folder, and for test images from another source; augmentation "
        "(data.augment=[flip, crop]) helps against differences.",
    )


def changed(evidence: Evidence) -> Diagnosis | None:
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


def small_gradients(evidence: Evidence) -> Iterator[Diagnosis]:
    """Terms with hardly any of the gradient. Whether they have an effect, only a control run can show."""
    for term, weight in evidence.gradients.get("idle", {}).items():
        share = evidence.gradients["shares"][term]
        place = next((place for place, own in enumerate(evidence.recipe.terms) if own.label == term), None)
        control = f" (--set terms.{place}.weight=0)" if place is not None else ""
        yield Diagnosis(
            "small share of the gradient",
            f"{term} contributed {'less than 0.1 %' if share < 0.001 else f'{100 * share:.1f} %'} of the gradient in the last "
            "measurement. That is its share, not its effect: a small gradient in one direction can still change the student.",
            f"A run without it{control} shows the effect; at a weight of about {float(f'{weight:.2g}'):g} it would contribute as "
            "much as the other terms.",
            note=True,
        )
