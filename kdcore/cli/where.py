"""Where the runs of a study train: in this process, or on a Ray cluster; and how their progress is shown in either case."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kdcore.cli import progress
from kdcore.cli.options import Device, JsonEvents, store
from kdcore.errors import UserError
from kdcore.results import json_text
from kdcore.store import Studies, StudyState
from kdcore.store.replay.lines import Lines

if TYPE_CHECKING:
    from kdcore.cluster.ray_runs import RayRuns
    from kdcore.runner import Runner


@Parameter(name="*")
@dataclass(frozen=True)
class Where:
    """The options of commands that train the runs of a study."""

    device: Device = None
    as_json: JsonEvents = False
    on: Annotated[
        Literal["here", "ray"], Parameter(help="here: one run after another in this process; ray: on a Ray cluster.")
    ] = "here"
    address: Annotated[
        str | None,
        Parameter(
            metavar="ADDRESS",
            help="With --on ray, the cluster: auto or HOST:PORT. This machine has to belong to it. Default: this machine alone.",
        ),
    ] = None
    cpus: Annotated[float, Parameter(help="With --on ray, processors for each run.")] = 1
    gpus: Annotated[
        float | None,
        Parameter(help="With --on ray, GPUs for each run, such as 0.5. Default: 1 where the cluster has any."),
    ] = None
    send: Annotated[
        bool,
        Parameter(
            show_default=False,
            help="With --on ray, train in copies that are sent here, also where the workers see this machine's folder of runs.",
        ),
    ] = False

    def check(self) -> None:
        """Refuse options that do not belong together. Raises UserError."""
        if self.on == "here" and (self.address or self.send or self.cpus != 1 or self.gpus is not None):
            raise UserError("--address, --cpus, --gpus and --send are for a Ray cluster: add --on ray.")
        if self.on == "ray" and self.device:
            raise UserError(
                "--device is for runs in this process. On Ray, --gpus 0 trains on processors, --gpus 1 on a GPU."
            )
        if self.cpus < 1 or (self.gpus is not None and not (0 <= self.gpus < 1 or self.gpus == int(self.gpus))):
            raise UserError(
                f"A run needs at least 1 processor, and 0, a part of one or whole GPUs, not {self.cpus:g} and {self.gpus}."
            )


@contextlib.contextmanager
def running(where: Where) -> "Iterator[Runner | RayRuns]":
    """What trains the runs of a study; closed at the end. Their progress is shown."""
    where.check()
    if where.on == "here":
        with progress.running(device=where.device, as_json=where.as_json) as (runner, _):
            yield runner
        return
    from kdcore.cluster.ray_runs import RayRuns

    with RayRuns(store(), address=where.address, cpus=where.cpus, gpus=where.gpus, send=where.send) as runs:
        yield runs


@contextlib.contextmanager
def shown(where: Where, study_id: str) -> Iterator[Callable[[], None]]:
    """A function that shows what is new of a study's runs on a cluster, to be called while waiting for them. Runs of this process
    are shown by their own watcher."""
    if where.on == "here":
        yield lambda: None
        return
    board: Board | Events = Events(study_id) if where.as_json else Board(study_id)
    try:
        yield board.look
    finally:
        board.look()
        board.close()


class Board:
    """A progress bar over the runs of a study, and a line for each run that has ended or was moved."""

    def __init__(self, study_id: str) -> None:
        self._studies, self._study_id = Studies(store()), study_id
        self._console = Console(markup=False)
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[now]}"),
            TimeElapsedColumn(), console=self._console,
        )  # fmt: skip
        self._task = self._bar.add_task("runs", now="")
        self._known: dict[str, str] = {}  # run -> its status
        self._notes: set[tuple[str, str]] = set()
        self._bar.start()

    def look(self) -> None:
        try:
            state = self._studies.state(self._study_id)
        except UserError:  # deleted meanwhile
            return
        for place in state.places:
            run = place.run
            if run is None:
                continue
            if self._known.get(run.id) != run.status and run.status in ("running", "finished", "failed", "stopped"):
                self._console.print(
                    f"{run.name}: {run.status}{f': {run.reason}' if run.reason else ''}", highlight=False
                )
            self._known[run.id] = run.status
            for text in (note["text"] for note in run.notes if note["level"] == "warning"):
                if (run.id, text) not in self._notes:
                    self._notes.add((run.id, text))
                    self._console.print(f"{run.name}: {text}", style="yellow", highlight=False)
        self._bar.update(self._task, total=state.total, completed=state.done + state.pruned, now=_now(state))

    def close(self) -> None:
        self._bar.stop()


class Events:
    """Every event of a study's runs as a line of JSON on standard output, as those of this process are."""

    def __init__(self, study_id: str) -> None:
        self._studies, self._study_id = Studies(store()), study_id
        self._read: dict[str, Lines] = {}

    def look(self) -> None:
        for place in self._studies.state(self._study_id).places:
            if place.run is None:
                continue
            path = self._studies.store.folder(place.run_id) / "events.jsonl"
            if not path.exists():
                continue
            for lines in self._read.setdefault(place.run_id, Lines()).new(path):
                for line in lines:
                    print(f'{{"run": {json_text.text(place.run_id)}, {line.decode()[1:]}', flush=True)

    def close(self) -> None:
        pass


def _now(state: StudyState) -> str:
    """What is going on: `3 running, 2 queued`."""
    found = [place.run.status for place in state.places if place.run and not place.ended]
    return ", ".join(
        f"{found.count(status)} {status}" for status in ("running", "preparing", "queued") if status in found
    )
