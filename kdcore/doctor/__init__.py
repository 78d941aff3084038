"""The teacher doctor: what a teacher is worth, in seconds and before a run.

Some hundred images are shown to it (`answers`), and what it says is judged (`checks`). The runner does the same once more
with the networks that it built, so that no recipe passes in silence, wherever it comes from.
"""

from kdcore.doctor.answers import Answers, ask
from kdcore.doctor.checks import judge
from kdcore.doctor.examination import cheap, examine, look_at, pairings

__all__ = ["Answers", "ask", "cheap", "examine", "judge", "look_at", "pairings"]
