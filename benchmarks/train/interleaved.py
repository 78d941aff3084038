"""Variants of the same work, run interleaved, each in a process of its own so that settings do not affect another."""

import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import torch


class Laps:
    """The parts of a step's time: each call adds the processor time since the last call under a name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.process_time()

    def __call__(self, name: str) -> None:
        now = time.process_time()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now

    def begin(self) -> None:
        self.seconds, self._last = {}, time.process_time()


Steps = Iterator[int]  # endless; each item is one step's number of images


@dataclass(frozen=True)
class Variant:
    """One variant of the work. `make` must be importable in another process: a function, or a partial of one."""

    name: str
    make: Callable[[Laps], Steps]
    steps: int = 1  # in a turn
    warm_up: int = 1  # steps before the first turn


@dataclass(frozen=True)
class Measurement:
    """One turn of a variant.

    seconds: on a CPU processor time of the process with its children, on a GPU wall time.
    laps: parts of it, of the process without its children.
    watts: the GPU's power, where it can be read.
    """

    images: int
    seconds: float
    laps: dict[str, float] = field(default_factory=dict)
    watts: float | None = None

    @property
    def per_image(self) -> float:
        return self.seconds / self.images


def interleave(
    variants: list[Variant], *, rounds: int, threads: int = 1, between: Callable[[], object] = lambda: None
) -> dict[str, list[Measurement]]:
    """The turns of every variant, one a round. `between` is called in this process at the start of each round."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    processes = []
    try:
        for variant in variants:
            pipes[variant.name], far_end = context.Pipe()
            processes.append(context.Process(target=_serve, args=(far_end, variant, threads)))
            processes[-1].start()
            far_end.close()  # a copy here would keep the pipe open after the process has died
            if torch.cuda.is_available():  # variants could fill its memory together
                _answer(pipes[variant.name], variant)
        if not torch.cuda.is_available():
            for variant in variants:
                _answer(pipes[variant.name], variant)  # has warmed up
        turns: dict[str, list[Measurement]] = {variant.name: [] for variant in variants}
        for _ in range(rounds):
            between()
            for variant in variants:
                pipes[variant.name].send(variant.steps)
                turns[variant.name].append(_answer(pipes[variant.name], variant))
        return turns
    finally:
        for pipe in pipes.values():
            pipe.close()  # which ends the process
        for process in processes:
            process.join()


def _answer(pipe: Connection, variant: Variant) -> Measurement:
    try:
        turn: Measurement = pipe.recv()
    except EOFError:
        raise RuntimeError(f"The variant {variant.name!r} failed; its traceback is above.") from None
    return turn


def _serve(pipe: Connection, variant: Variant, threads: int) -> None:
    """A variant's process: takes as many steps as the pipe asks for, until it closes."""
    default = multiprocessing.get_all_start_methods()[0]  # a spawned process would spawn its loader's workers too
    multiprocessing.set_start_method(default, force=True)
    torch.set_num_threads(threads)
    laps = Laps()
    steps = variant.make(laps)
    began, count = seconds(), variant.warm_up
    while count:
        if torch.cuda.is_available():
            next(steps)  # allocates again what other variants used meanwhile
            began = seconds()
        laps.begin()
        images = sum(next(steps) for _ in range(count))
        ended = seconds()
        turn = Measurement(images, ended - began, laps.seconds, _watts())
        torch.cuda.empty_cache()  # does nothing where there is no GPU
        pipe.send(turn)
        began = ended  # what loaders prefetch between two turns counts for the next
        try:
            count = pipe.recv()
        except EOFError:
            return


def seconds() -> float:
    """Processor time, user and system, with all children, living and ended; on a GPU wall time after synchronising."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    living = sum(_of_process(child.pid) for child in multiprocessing.active_children())  # joins those that have ended
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return living + sum(each.ru_utime + each.ru_stime for each in used)


def _of_process(pid: int | None) -> float:
    user, system = (
        Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    )  # Linux; see `man proc_pid_stat`
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _watts() -> float | None:
    if not torch.cuda.is_available():
        return None
    try:
        return torch.cuda.power_draw() / 1000
    except Exception:  # no pynvml, or a driver that does not report it
        return None
