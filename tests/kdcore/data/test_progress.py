"""Progress of long tasks in the log of a run."""

from kdcore.data.datasets.base import Progress


def test_a_task_that_was_reported_is_reported_as_done_in_the_end():
    told: list[str] = []
    progress = Progress("Drawing 300 images", 300, told.append, seconds=0)
    for done in (100, 200):
        progress(done)
    progress.seconds = 1000
    progress(300)
    assert told == ["Drawing 300 images: 33 %", "Drawing 300 images: 67 %", "Drawing 300 images: 100 %"]


def test_a_short_task_reports_nothing():
    told: list[str] = []
    progress = Progress("Drawing 300 images", 300, told.append, seconds=1000)
    progress(300)
    assert told == []
