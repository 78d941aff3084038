"""The one door for pages and the command line to ask networks about photos: numpy and plain data in and out.

Every network sees the same square of the photo, the middle of it, and that square comes back with the answer, so that
heatmaps of any networks lie over the same picture.
"""

from kdcore.inspection.inspector import BATCH, KEPT, Inspector
from kdcore.inspection.networks import Choice, choices, title
from kdcore.inspection.preprocessing import DISPLAY, square
from kdcore.inspection.questions import Affinity, Atlas, Comparison, Course, Inspection, OverTime, Question

__all__ = [
    "BATCH", "DISPLAY", "KEPT", "Affinity", "Atlas", "Choice", "Comparison", "Course", "Inspection", "Inspector",
    "OverTime", "Question", "choices", "square", "title",
]  # fmt: skip
