"""Ways of doing the same work take turns, each in a process of its own, so that no way's settings help or hinder another."""

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
    """Where the time of a step goes: each call books the processor time since the last one under a name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.process_time()

    def __call__(self, name: str) -> None:
        now = time.process_time()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now

    def begin(self) -> None:
        self.seconds, self._last = {}, time.process_time()


Steps = Iterator[int]  # endless; takes a step each time it is asked, and says how many images it had


@dataclass(frozen=True)
class Way:
    """One way of doing the work. `make` must be importable in another process: a function, or a partial of one."""

    name: str
    make: Callable[[Laps], Steps]
    steps: int = 1  # in a turn
    warm_up: int = 1  # steps before the first turn


@dataclass(frozen=True)
class Turn:
    """What a way did when it was its turn.

    seconds: on a CPU processor time of the process with its children, on a GPU time on the clock.
    laps: parts of it, of the process without its children.
    watts: what the GPU draws, where that can be read.
    """

    images: int
    seconds: float
    laps: dict[str, float] = field(default_factory=dict)
    watts: float | None = None

    @property
    def an_image(self) -> float:
        return self.seconds / self.images


def take_turns(
    ways: list[Way], *, rounds: int, threads: int = 1, between: Callable[[], object] = lambda: None
) -> dict[str, list[Turn]]:
    """Every way's turns, one a round. `between` is called in this process at the start of each round."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    processes = []
    try:
        for way in ways:
            pipes[way.name], theirs = context.Pipe()
            processes.append(context.Process(target=_serve, args=(theirs, way, threads)))
            processes[-1].start()
            theirs.close()  # ours would keep the pipe open after the process has died
            if torch.cuda.is_available():  # whose memory the ways could fill together
                _answer(pipes[way.name], way)
        if not torch.cuda.is_available():
            for way in ways:
                _answer(pipes[way.name], way)  # has warmed up, beside the others
        turns: dict[str, list[Turn]] = {way.name: [] for way in ways}
        for _ in range(rounds):
            between()
            for way in ways:
                pipes[way.name].send(way.steps)
                turns[way.name].append(_answer(pipes[way.name], way))
        return turns
    finally:
        for pipe in pipes.values():
            pipe.close()  # which ends the process
        for process in processes:
            process.join()


def _answer(pipe: Connection, way: Way) -> Turn:
    try:
        turn: Turn = pipe.recv()
    except EOFError:
        raise RuntimeError(f"The way {way.name!r} failed; its own words are above.") from None
    return turn


def _serve(pipe: Connection, way: Way, threads: int) -> None:
    """A way's process: takes so many steps as it is told through the pipe, until that closes."""
    as_elsewhere = multiprocessing.get_all_start_methods()[0]  # a spawned process would spawn its loader's workers too
    multiprocessing.set_start_method(as_elsewhere, force=True)
    torch.set_num_threads(threads)
    laps = Laps()
    steps = way.make(laps)
    began, asked = seconds(), way.warm_up
    while asked:
        if torch.cuda.is_available():
            next(steps)  # takes the memory again that the other ways had meanwhile
            began = seconds()
        laps.begin()
        images = sum(next(steps) for _ in range(asked))
        ended = seconds()
        turn = Turn(images, ended - began, laps.seconds, _watts())
        torch.cuda.empty_cache()  # does nothing where there is no GPU
        pipe.send(turn)
        began = ended  # what loaders fetch ahead between two turns belongs to the next
        try:
            asked = pipe.recv()
        except EOFError:
            return


def seconds() -> float:
    """Of processor time, user and system, with all children, living and dead; on a GPU of the clock, once it is done."""
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
    except Exception:  # no pynvml, or a driver that does not tell
        return None
