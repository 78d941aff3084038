"""One kill: the work is started in a forked process, killed in a phase, started again to its end, and compared."""

import contextlib
import os
import random
import shutil
import signal
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults import outcome, work
from benchmarks.faults.phases import Phase
from benchmarks.faults.work import Work
from kdcore.store import Store

POLL = 0.001  # seconds
PATIENCE = 300.0  # seconds for the work on a busy machine
AGAIN = 0.25  # of the kills are followed by a second one, of the resumed work at any moment


@dataclass(frozen=True)
class Kill:
    """The outcome of one kill. begun: whether the run had a checkpoint. troubles: empty where all is as it should be."""

    phase: str
    times: int
    begun: bool
    seconds: float
    troubles: tuple[str, ...]


class Reference:
    """The unbroken work of each kind, done once: its outcome and how long it takes."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._known: dict[str, tuple[dict[str, Any], float]] = {}
        work.draw_images(base / "images")

    def of(self, phase: Phase) -> tuple[dict[str, Any], float]:
        if phase.before is work.with_a_finished_run:
            self._unbroken("cues", work.train_on_drawn_images, None)
        if phase.unbroken not in self._known:
            self._known[phase.unbroken] = self._unbroken(phase.unbroken, phase.work, phase.before)
        return self._known[phase.unbroken]

    def _unbroken(self, name: str, act: Work, before: Work | None) -> tuple[dict[str, Any], float]:
        place = self._base / "unbroken" / name
        if not place.exists():
            place.mkdir(parents=True)
            with contextlib.suppress(FileExistsError):
                (place.parent / "images").symlink_to(self._base / "images")
            prepare(place, before, self._base)
            began = time.monotonic()
            finish(place, act)
            (place / "seconds").write_text(str(time.monotonic() - began))
            if unfinished := [state for state in Store(place / "runs").states() if state.status != "finished"]:
                raise RuntimeError(f"the unbroken work ended with: {unfinished[0].status}, {unfinished[0].reason}")
        return outcome.results(place), float((place / "seconds").read_text())


def kill(name: str, phase: Phase, base: Path, reference: Reference, chance: random.Random) -> Kill:
    """Kill the work once or twice in a folder of its own, finish it and compare it; the folder stays where something is wrong."""
    expected, unbroken_seconds = reference.of(phase)
    began, place = time.monotonic(), base / f"kill-{chance.randrange(1 << 32):08x}"
    place.mkdir()
    prepare(place, phase.before, base)
    first = Phase(phase.work, phase.unbroken, phase.seen, phase.seconds if phase.seen else unbroken_seconds)
    begun, times = killed(place, first, chance), 1
    if chance.random() < AGAIN:
        again = Phase(phase.work, phase.unbroken, None, unbroken_seconds)
        begun, times = killed(place, again, chance), 2
    try:
        finish(place, phase.work)
        troubles = list(outcome.troubles(place))
        if (found := outcome.results(place)) != expected:
            troubles.append(f"the outcome differs from the unbroken one: {found} and not {expected}")
    except Exception:  # of any kind: it is reported
        troubles = [traceback.format_exc()]
    if not troubles:
        shutil.rmtree(place)
    return Kill(name, times, begun, time.monotonic() - began, tuple(troubles))


def prepare(place: Path, before: Work | None, base: Path) -> None:
    """Do in this process' child what must be there before the work."""
    if before is work.with_a_finished_run:
        shutil.copytree(base / "unbroken" / "cues" / "runs", place / "runs")
    elif before:
        finish(place, before)


def killed(place: Path, phase: Phase, chance: random.Random) -> bool:
    """Start the work and kill it in its phase. Returns whether a run had a checkpoint then."""
    child = forked(place, phase.work)
    until = time.monotonic() + PATIENCE
    ended = False
    while phase.seen and not phase.seen(place) and not ended and time.monotonic() < until:
        time.sleep(POLL)
        ended = os.waitpid(child, os.WNOHANG)[0] == child
    delay = time.monotonic() + chance.uniform(0, phase.seconds)
    while not ended and time.monotonic() < delay:
        time.sleep(POLL)
        ended = os.waitpid(child, os.WNOHANG)[0] == child
    if not ended:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return any(place.glob("runs/*/checkpoints/*.safetensors"))


def finish(place: Path, act: Work) -> None:
    """Do the work to its end. Raises RuntimeError with its output where it fails."""
    child, until = forked(place, act), time.monotonic() + PATIENCE
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended == child:
            break
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise RuntimeError(f"the work did not end within {PATIENCE:.0f} s")
        time.sleep(POLL)
    if status:
        raise RuntimeError((place / "output.txt").read_text())


def forked(place: Path, act: Work) -> int:
    """Start the work in a child process, which has torch imported already. Returns its process number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        output = os.open(place / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(output, 1)
        os.dup2(output, 2)
        act(place)
        status = 0
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)
