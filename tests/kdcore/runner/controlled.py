"""Runs that are controlled while they train, by one process or by the first of several.

python -m tests.kdcore.runner.controlled FOLDER      with torchrun's variables
"""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

from kdcore import recipe as recipes
from kdcore.events import Event, RunPaused, StepEnded
from kdcore.runner import Runner, companions
from kdcore.store import Store
from tests.kdcore.conftest import TINY

RECIPE = recipes.from_plain(
    {
        **TINY,
        "data": {**TINY["data"], "train_images": 40, "test_images": 20, "batch_size": 8},
        "teacher": {**TINY["teacher"], "accept": True},
        "terms": [{"method": "ce"}, {"method": "kd"}, {"method": "margin"}],  # the last one of a plugin
        "optimizer": {
            "name": "sgd",
            "lr": 1e-3,
        },  # Adam divides gradients near zero, rounding errors, by their own size
        "probes": {"images": 0},
    }
)
PATIENCE = 300


def at_step(step: int, act: Callable[[str], object]) -> Callable[[str, Event], None]:
    """A listener that acts once, in the training thread, as soon as a step is logged."""
    done = threading.Event()

    def take(run_id: str, event: Event) -> None:
        if isinstance(event, StepEnded) and event.step == step and not done.is_set():
            done.set()
            act(run_id)

    return take


def turned(runner: Runner) -> str:
    """A run whose learning rate is halved after the second step, where it is paused and its kd weight is halved too."""
    paused = threading.Event()

    def pause(run_id: str) -> None:
        runner.set_knob(run_id, "learning_rate", 0.5)
        runner.pause(run_id)

    act = at_step(2, pause)

    def take(run_id: str, event: Event) -> None:
        act(run_id, event)
        if isinstance(event, RunPaused):
            paused.set()

    runner.listener = take
    (run_id,) = runner.start(RECIPE)
    assert paused.wait(PATIENCE)
    runner.set_knob(run_id, "weight/kd", 0.5)
    runner.unpause(run_id)
    assert runner.wait(run_id, PATIENCE)
    return run_id


def stopped_and_resumed(runner: Runner) -> str:
    runner.listener = at_step(3, runner.stop)
    (run_id,) = runner.start(RECIPE)
    assert runner.wait(run_id, PATIENCE)
    assert runner.store.state(run_id).status == "stopped"
    runner.resume(run_id)
    assert runner.wait(run_id, PATIENCE)
    return run_id


def left_alone(runner: Runner, folder: Path) -> str:
    """A run that stays in its sixth step until another process has ended."""
    runner.listener = at_step(6, lambda run_id: waits(folder))
    (run_id,) = runner.start(RECIPE)
    assert runner.wait(run_id, PATIENCE)
    return run_id


def waits(folder: Path) -> None:
    (folder / "waits").touch()
    ended = threading.Event()
    while not (folder / "killed").exists():
        ended.wait(0.02)


def main(folder: Path) -> int:
    runner = Runner(Store(folder / "runs"), device="cpu", threads=1)
    found = [turned(runner), stopped_and_resumed(runner), left_alone(runner, folder)]
    (folder / "ids").write_text(" ".join(found))
    runner.close()
    return 0


if __name__ == "__main__":
    sys.exit(companions.run(lambda: main(Path(sys.argv[1]))))
