import itertools
import random
from statistics import median

import pytest

from kdcore.events import (
    Evaluated,
    ProbeTaken,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    SampleMeasured,
    StepEnded,
)
from kdcore.store.replay.pace import Pace

STEPS, EPOCHS, VALIDATION, TEST = 570, 10, 400, 2000


def run(*, evaluation=4.0, test=20.0, seed=0, slow=lambda step: 1.0, paused_at=None):
    """The events of a run like `quick`, with their times: steps of 0.37 s that vary, some of them much slower, maps every 14
    steps, an evaluation at each epoch's end, and the test images."""
    rng, now, found = random.Random(seed), 100.0, []
    learners = evaluation / VALIDATION

    def add(event, **more):
        found.append({**event.to_plain(), "time": now, **more})

    teacher = {"top1": 1.0, "milliseconds": 1000 * (test / TEST - learners)}
    add(RunStarted(0, STEPS, EPOCHS, "cpu", "exact", ("a", "b"), 3600, 500, {}, teacher, False, VALIDATION, TEST))
    now += 0.1
    add(SampleMeasured(0, 0.0, 128, {}, 128 * learners))
    for step in range(1, STEPS + 1):
        now += 0.37 * slow(step) * rng.uniform(0.9, 1.1) * (4 if rng.random() < 0.05 else 1)
        epoch = step / STEPS * EPOCHS
        add(StepEnded(step, epoch, {}, {}, {}, {}, 0.1, 170.0, {}))
        if step % 14 == 0:
            now += 0.05
            add(ProbeTaken(step, epoch, 0.05))
        if step % (STEPS // EPOCHS) == 0:
            now += evaluation
            add(Evaluated(step, epoch, "validation", {}))
        if step == paused_at:
            add(RunPaused(step))
            now += 500
            add(RunResumed(step))
    now += test
    add(RunFinished(STEPS, {}, 1.0))
    return found


def estimates(events) -> list[tuple[float, float, float]]:
    """After each step from a fifth of the run on: its number, the estimate and the truth."""
    pace, found = Pace(), []
    for event in events:
        pace.take(event)
        if event["event"] == "StepEnded" and event["step"] >= STEPS / 5:
            left = pace.remaining(event["step"], STEPS, EPOCHS)
            found.append((event["step"], left, events[-1]["time"] - event["time"]))
    return found


@pytest.mark.parametrize("evaluation, test", [(4.0, 20.0), (0.3, 9.0), (15.0, 80.0)])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_time_left_is_within_a_fifth_of_the_truth_from_a_fifth_of_the_run_on(evaluation, test, seed):
    for step, left, truth in estimates(run(evaluation=evaluation, test=test, seed=seed)):
        assert left == pytest.approx(truth, rel=0.2, abs=2), step


def test_it_does_not_swing(tmp_path):
    """No step of the clock goes up by more than a few seconds, as 3:24 -> 7:49 -> 5:54 did."""
    found = estimates(run(evaluation=15.0, test=80.0))
    rises = [later[1] - earlier[1] for earlier, later in itertools.pairwise(found)]
    assert max(rises) < 0.1 * found[0][1]
    assert median(rises) < 0


def test_a_slow_moment_counts_little_and_a_lasting_change_counts_soon():
    moment = estimates(run(slow=lambda step: 10.0 if 200 <= step < 206 else 1.0))
    assert all(left == pytest.approx(truth, rel=0.2) for step, left, truth in moment if 206 <= step < 540)
    lasting = estimates(run(slow=lambda step: 2.0 if step > 200 else 1.0))
    assert all(left == pytest.approx(truth, rel=0.2) for step, left, truth in lasting if 320 <= step < 540)


def test_a_pause_does_not_count():
    for step, left, truth in estimates(run(paused_at=150)):
        if step > 150:
            assert left == pytest.approx(truth, rel=0.2, abs=2), step


def test_a_replay_continues_where_it_was_stored():
    events = run()
    whole, first = Pace(), Pace()
    for event in events[:400]:
        whole.take(event)
        first.take(event)
    again = Pace.from_plain(first.plain())
    for event in events[400:500]:
        whole.take(event)
        again.take(event)
    assert again.remaining(300, STEPS, EPOCHS) == whole.remaining(300, STEPS, EPOCHS)
    assert again.plain() == whole.plain()


def taken(steps: int, *events: tuple[str, int, float]) -> Pace:
    """Of kinds, steps and times, in seconds, of a run that begins at 0 and whose test images take no time."""
    pace = Pace()
    started = {"steps": steps, "validation_images": 10, "test_images": 0, "teacher": {}}
    pace.take({"event": "RunStarted", "time": 0.0, "step": 0} | started)
    for kind, step, now in events:
        pace.take({"event": kind, "time": now, "step": step})
    return pace


def test_what_an_epoch_s_end_takes_is_counted_once_and_is_no_step_s_time():
    """Steps of a second each; the end of an epoch takes 3 s for its evaluation and 2 for perturbed sets."""
    first = ("StepEnded", 1, 1.0), ("Evaluated", 1, 4.0), ("RobustnessMeasured", 1, 6.0), ("StepEnded", 2, 7.0)
    assert taken(500, *first).remaining(2, 500, 100) == 498 * 1 + 100 * 5  # windows of ten steps, none of which is over
    assert taken(100, *first).remaining(2, 100, 50) == 98 * 1 + 49 * 5  # of two steps


def test_nothing_is_known_before_the_first_step():
    pace = Pace()
    assert pace.remaining(0, STEPS, EPOCHS) is None
    for event in run()[:2]:
        pace.take(event)
    assert pace.remaining(0, STEPS, EPOCHS) is None
