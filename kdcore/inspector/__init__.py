"""The one door for pages and the command line to ask networks about photos: numpy and plain data in and out.

Every network sees the same square of the photo, the middle of it, and that square comes back with the answer, so that
heatmaps of any networks lie over the same picture.
"""

from kdcore.inspector.answers import Affinity, Atlas, Comparison, Course, Inspection, OverTime, Question
from kdcore.inspector.asking import BATCH, KEPT, Inspector
from kdcore.inspector.choices import Choice, choices, title
from kdcore.inspector.squares import DISPLAY, square

__all__ = [
    "BATCH", "DISPLAY", "KEPT", "Affinity", "Atlas", "Choice", "Comparison", "Course", "Inspection", "Inspector",
    "OverTime", "Question", "choices", "square", "title",
]  # fmt: skip
