"""A process that trains what the first process of its run trains: the same parts, the same steps; it stores nothing."""

import signal
from typing import Any

import torch

from kdcore.errors import shown
from kdcore.events import StepTaken
from kdcore.paths import ASSETS, runs_folder
from kdcore.recipe import Recipe
from kdcore.runner import companions
from kdcore.runtime import mixed_precision, processes
from kdcore.runtime.distributed import Process
from kdcore.runtime.processes import Follower
from kdcore.setup.build import build_parts
from kdcore.store import Store
from kdcore.training import replicas
from kdcore.training.evaluation import drained
from kdcore.training.loop import train
from kdcore.training.state import Parts


def follow(first: Follower) -> int:
    """Train with the first process until it ends. Returns the exit status."""
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # the first process decides when to end, and stores a checkpoint before
        signal.signal(number, signal.SIG_IGN)
    mixed_precision.settle()
    torch.set_num_threads(companions.threads())
    device = torch.device("cpu")
    try:
        while (message := first.receive()) is not None:
            if kind := message.get("begin"):
                device = companions.own_device(kind)
                processes.begin_group(kind)
            elif "run" in message:
                _train(first, message, device)
    except BaseException as error:  # the first process stores it as the reason why the run failed
        first.answer({"failed": shown(error)})
        return 1
    return 0


def _train(first: Follower, message: dict[str, Any], device: torch.device) -> None:
    parts = _built_in_turn(first, message["run"], Recipe.model_validate(message["recipe"]), device)
    if parts is None:
        return
    replicas.join(parts, Process(processes.rank(), processes.world()))
    for event in train(parts):
        if isinstance(event, StepTaken):
            now = first.receive()
            if now is None or "step" not in now:  # the run was stopped
                return
            if now["step"] != parts.step:
                raise RuntimeError(f"The first process is at step {now['step']}, this one at {parts.step}.")
            parts.knobs = now["knobs"]


def _built_in_turn(first: Follower, run_id: str, recipe: Recipe, device: torch.device) -> Parts | None:
    """The parts of a run; None where it is stopped before. The first process of each machine builds its parts first."""
    parts = None
    for turn in (0, 1):
        now = first.receive()
        if now is None or "build" not in now:
            return None
        if turn == min(processes.local_rank(), 1):
            parts = _built(run_id, recipe, device)
        first.answer({"ready": turn})
    return parts


def _built(run_id: str, recipe: Recipe, device: torch.device) -> Parts:
    store = Store(runs_folder(), recorded=ASSETS / "runs")
    (seed,) = recipe.seeds
    building = build_parts(
        recipe, seed=seed, device=device, runs=store, teacher_file=store.root / run_id / "teacher.safetensors"
    )
    return drained(building)
