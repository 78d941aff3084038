"""What is known of networks while an evaluation is in progress: its outcomes, and those of earlier ones."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdcore.inspection.robustness import Assessment


def together(kept: Assessment, going: Assessment) -> Assessment:
    """The outcomes of both, of the same networks; where both have a condition, those on more images.

    The images of a smaller outcome are the first ones of a larger, so rows on numbers of images that differ can stand side by side.

    Raises:
        ValueError: the two are of different networks.
    """
    if set(kept.references) != set(going.references):
        raise ValueError(
            f"Outcomes of the networks {', '.join(kept.references)} and of {', '.join(going.references)} do not belong together: give two "
            "assessments of the same networks."
        )
    conditions = tuple(dict.fromkeys((*complete(kept), *complete(going))))
    chosen = {each: going if _newer(kept, going, each) else kept for each in conditions}
    outcomes = {
        reference: {each: chosen[each].outcomes[reference][each] for each in conditions}
        for reference in kept.references
    }
    images = max((each.images for each in chosen.values()), default=kept.images)
    return replace(going, conditions=conditions, outcomes=outcomes, missing=(), images=images)


def stands_for(kept: Assessment, going: Assessment | None) -> bool:
    """Whether kept outcomes are shown in the place of some that the evaluation in progress is to find. going: None before its first."""
    if going is None:
        return bool(complete(kept))
    return any(each not in complete(going) for each in complete(kept) if each in going.conditions)


def complete(assessment: Assessment) -> list[str]:
    """The conditions that all of the networks have."""
    return [each for each in assessment.conditions if all(each in known for known in assessment.outcomes.values())]


def images(assessment: Assessment, own: Collection[str]) -> str:
    """How many test images each set has, `200 to 10,000` where they differ. own: sets that have images of their own."""
    found = [
        min(known[condition].count for known in assessment.outcomes.values())
        for condition in complete(assessment)
        if condition.partition("@")[0] not in own
    ]
    least, most = min(found, default=assessment.images), max(found, default=assessment.images)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _newer(kept: Assessment, going: Assessment, condition: str) -> bool:
    """Whether the evaluation in progress has a condition on as many images as what is kept, or more."""
    if condition not in complete(going):
        return False
    return condition not in complete(kept) or all(
        known[condition].count >= kept.outcomes[reference][condition].count
        for reference, known in going.outcomes.items()
    )
