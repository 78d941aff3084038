"""One run on a worker: trained by a runner of its own, in the store where the worker sees its folder, else in a copy that is sent."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from kdcore.checks import before_run
from kdcore.cluster.receiver import Begun, Superseded
from kdcore.cluster.sender import Call, Sender
from kdcore.errors import UserError
from kdcore.events import Noted, RunFailed
from kdcore.files import atomic, heartbeat, scratch
from kdcore.paths import ASSETS
from kdcore.runner import Runner
from kdcore.store import Store
from kdcore.store.run_files import commands
from kdcore.store.run_files.writing import is_alive

PERIOD = 1.0  # seconds between two sendings
COPIES = "kdcore-runs"  # in the folder of temporary files


def train(
    call: Call, run_id: str, root: str, mark: str, *, worker: str, device: str, threads: int, send: bool = False
) -> str:
    """Train a run to its end; returns its status.

    Args:
        call: calls the receiver.
        root, mark: the store's folder, and a file in it by which a worker knows that it sees this folder.
        worker: the name of this machine.
        send: work in a copy even where the store's folder is seen.
    """
    begun: Begun = call("begin", run_id, worker, not send and (Path(root) / mark).is_file())
    if not begun.attempt:
        return "stopped"
    with _folder(Path(root), run_id, begun) as folder:
        store = Store(folder, recorded=ASSETS / "runs")
        sender = None if begun.shared else Sender(call, run_id, begun.attempt, folder)
        if sender:
            sender.fetch(begun.files)
        else:
            _wait_for_the_lost(folder / run_id)
        if begun.note:
            with store.writer(run_id) as writer:
                writer.append(Noted(begun.note, "warning"))
        with contextlib.suppress(Superseded):
            _follow(store, run_id, sender, call, begun.attempt, device, threads)
            call("end", run_id, begun.attempt)
        return store.state(run_id).status


def _follow(
    store: Store, run_id: str, sender: Sender | None, call: Call, attempt: int, device: str, threads: int
) -> None:
    runner = Runner(store, device=device, threads=threads)
    try:
        try:
            recipe = store.recipe(run_id)
            before_run.check(recipe, store, runner.device)
            runner.begin(run_id, recipe)
        except UserError as error:
            with store.writer(run_id) as writer:
                writer.append(RunFailed(str(error)))
        while not runner.wait(run_id, PERIOD):
            if sender:
                sender.send()
                for command in call("commands", run_id, attempt):
                    with contextlib.suppress(UserError, OSError):  # too many wait, or the disk is full
                        commands.send(store.folder(run_id), *command)
            if (reason := call("look", run_id, attempt)) and run_id in runner.active():
                with contextlib.suppress(UserError):  # it has just ended
                    runner.stop(run_id, reason)
    finally:
        runner.close()
    if sender:
        sender.send()


@contextlib.contextmanager
def _folder(root: Path, run_id: str, begun: Begun) -> Iterator[Path]:
    """The store's folder, or one for a copy, which is removed at the end, or by a later run where this process is killed."""
    if begun.shared:
        yield root
        return
    copies = scratch.system_folder() / COPIES
    copies.mkdir(exist_ok=True)
    atomic.sweep(copies)
    with atomic.staging(copies / f"{run_id}-{begun.attempt}") as folder:
        yield folder


def _wait_for_the_lost(folder: Path) -> None:
    """Wait until the heartbeat of a worker that was lost is so old that it counts as ended."""
    until = time.monotonic() + 2 * heartbeat.STALE
    while is_alive(folder) and time.monotonic() < until:
        time.sleep(0.5)
