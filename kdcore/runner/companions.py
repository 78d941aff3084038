"""The other processes of a run that torchrun started, as the first one directs them: what to build, when to step, when to end."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import torch

from kdcore.errors import UserError
from kdcore.recipe import Recipe
from kdcore.runtime import cores, processes
from kdcore.runtime.distributed import Process
from kdcore.runtime.processes import First, Follower
from kdcore.training import replicas
from kdcore.training.state import Parts

_first: First | None = None


class Companions:
    """The other processes, while this one is the first. `on_lost` is called where one has ended and this one waits for it."""

    def __init__(self, first: First) -> None:
        self._first = first
        self._over = False
        self.joined = False

    @property
    def world(self) -> int:
        """How many processes there are, with the first."""
        return self._first.world

    def announce(self, run_id: str, recipe: Recipe, on_lost: Callable[[str], None]) -> None:
        """Tell the others which run is next. Raises UserError where they have ended."""
        if self._over:
            raise UserError("The other processes ended with the run before this one: start it again with torchrun.")
        self._first.on_lost = on_lost
        self.joined = False
        self._first.send({"run": run_id, "recipe": recipe.model_dump(mode="json")})

    def join(self, parts: Parts) -> None:
        """Wait until all have built the same parts: one process of each machine first, which leaves files that the others use.

        Raises:
            UserError: another process has ended, or has other images.
        """
        for turn in (0, 1):
            self._first.send({"build": turn})
            self._first.wait_until_ready()
        replicas.join(parts, Process(0, self.world))
        self.joined = True

    def check(self) -> None:
        """Raises UserError where another process has ended."""
        self._first.check()

    def step(self, parts: Parts) -> None:
        """Let the others go on from the step that all have taken. Raises UserError where one has ended."""
        self._first.send({"step": parts.step, "knobs": parts.knobs})

    def end_run(self) -> None:
        """The run has ended, or was stopped between two steps."""
        self.joined = False
        if not self._over:
            self._first.send({"end": "run"})

    def abandon(self, error: BaseException) -> str:
        """The run failed, so that the others may wait without end: let them go. Returns why one has ended, if one has."""
        reason = self._first.lost if self._over or isinstance(error, UserError) else self._first.reason()
        self._over, self.joined = True, False
        self._first.close()
        return reason


def run(command: Callable[[], Any]) -> int:
    """A command in one of several processes: the first runs it, and the others train what it trains."""
    global _first
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    connection = processes.connected()
    if isinstance(connection, Follower):
        from kdcore.runner import following

        return following.follow(connection)
    _first = connection
    for number in (signal.SIGINT, signal.SIGTERM):  # torchrun sends these where another process has ended
        signal.signal(number, _interrupt)
    try:
        return int(command() or 0)
    finally:
        _first = None
        connection.close()
        if connection.lost:  # a process group with a process missing may wait for it at the end
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def of_this_process(device: torch.device) -> tuple[Companions | None, torch.device]:
    """The other processes, where there are some, and the device of this one.

    Raises:
        UserError: a device on which they cannot train together.
    """
    if _first is None:
        if processes.launched():
            raise UserError(
                f"This program was started in {processes.world()} processes (torchrun), and each would train a run of its own. Several "
                "processes train one run with: torchrun --nproc-per-node N -m kdcore distill RECIPE."
            )
        return None, device
    device = own_device(device.type)
    _first.send({"begin": device.type})
    processes.begin_group(device.type)
    return Companions(_first), device


def own_device(kind: str) -> torch.device:
    """The device of one of several processes: the GPU with its number on its machine, or the CPU. Raises UserError."""
    if kind == "cpu":
        return torch.device("cpu")
    if kind != "cuda":
        raise UserError(f"Several processes train on cuda or cpu, not on {kind}: add --device cpu.")
    here, gpus = processes.local_world(), torch.cuda.device_count()
    if here > gpus:
        raise UserError(
            f"{here} processes were started on a machine with {gpus} GPU{'s' * (gpus != 1)}: use --nproc-per-node {max(gpus, 1)}, or "
            "--device cpu."
        )
    device = torch.device("cuda", processes.local_rank())
    torch.cuda.set_device(device)
    return device


def threads() -> int:
    """CPU threads for training: `KD_THREADS`, else the cores, shared by the processes of this machine."""
    return cores.threads(processes.local_world())


def _interrupt(number: int, frame: object) -> None:
    """Stop as for Ctrl-C; what comes later is ignored, so that the run can be stored."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
