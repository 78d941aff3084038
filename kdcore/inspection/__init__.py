"""The interface from pages and the command line to networks: numpy and plain data in and out.

Every network sees the same square of a photo, its middle, and that square comes back with the result, so that heatmaps of
any networks are over the same picture.
"""

from kdcore.explain import METRICS, MapCard, agreement, map_card, map_cards, map_names
from kdcore.explain.quality.agreement import Controlled
from kdcore.explain.quality.faithfulness import Faithfulness
from kdcore.inspection.inspector import Inspector
from kdcore.inspection.networks import Choice, LeftOut, choices, left_out, library_choice, title, without_teacher
from kdcore.inspection.preprocessing import DISPLAY, square
from kdcore.inspection.requests import MapRequest
from kdcore.inspection.results import Affinity, Atlas, Comparison, Course, Glance, Inspection, OverTime

__all__ = [
    "DISPLAY",
    "METRICS",
    "Affinity",
    "Atlas",
    "Choice",
    "Comparison",
    "Controlled",
    "Course",
    "Faithfulness",
    "Glance",
    "Inspection",
    "Inspector",
    "LeftOut",
    "MapCard",
    "MapRequest",
    "OverTime",
    "agreement",
    "choices",
    "left_out",
    "library_choice",
    "map_card",
    "map_cards",
    "map_names",
    "square",
    "title",
    "without_teacher",
]
