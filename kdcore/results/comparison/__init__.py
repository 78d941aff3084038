"""What may be claimed about a difference between networks: figures, intervals and sentences. Nothing else makes a claim.

    summary = summarise([Outcome(results)])          # one run, or several that differ in their seed alone
    sentence(summary)                                # "+2.1 percentage points (95 % interval +0.4 to +3.8): the student is ..."

Fractions, not percent. docs/reliability.md has the procedures and how often their intervals cover the true difference.
"""

from kdcore.results.comparison.conclusion import Compared, Conclusion, Kind, conclude, conclude_all
from kdcore.results.comparison.figure import MINUS, Figure, counted, digits, ends, middle, minus, over_seeds, points
from kdcore.results.comparison.interaction import conclude_costs, costs_claim
from kdcore.results.comparison.outcome import ImagesTested, Outcome, Results, with_student, with_twin
from kdcore.results.comparison.sentences import claim, corrected, covers, covers_all, level, sentence
from kdcore.results.comparison.summary import (
    METRICS,
    NETWORKS,
    TWO_CLASSES,
    Summary,
    summarise,
    summarise_all,
    with_interval,
)

__all__ = [
    "METRICS", "MINUS", "NETWORKS", "TWO_CLASSES", "Compared", "Conclusion", "Figure", "ImagesTested", "Kind", "Outcome", "Results",
    "Summary", "claim", "conclude", "conclude_all", "conclude_costs", "corrected", "costs_claim", "counted", "covers", "covers_all", "digits", "ends", "level", "middle", "minus", "over_seeds", "points",
    "sentence", "summarise", "summarise_all", "with_interval", "with_student", "with_twin",
]  # fmt: skip
