"""The sender beside a worker's copy of a run: fetches what the run resumes from, and sends what is new in the copy.

Files go before the events that name them, so that the store never has an event whose file is missing. Of growing files only new
bytes are sent.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kdcore.cluster.receiver import CHUNK, EVENTS, GROWING, OWN
from kdcore.recipe.references import RunNetwork
from kdcore.store import Store
from kdcore.store.run_files.writing import CHECKPOINTS, PROBES, SNAPSHOTS

Call = Callable[..., Any]  # a method of the receiver by name, with its arguments
Mark = tuple[int, int, int]  # number, size and time of writing of a file


class Sender:
    """Keeps a run in the store the same as its copy in a folder of this machine."""

    def __init__(self, call: Call, run_id: str, attempt: int, root: Path) -> None:
        self._call, self._run_id, self._attempt, self._root = call, run_id, attempt, root
        self.folder = root / run_id
        self._sent: dict[str, Mark] = {}

    def fetch(self, files: tuple[tuple[str, int], ...]) -> None:
        """Fetch the files that the run resumes from, and those of the runs whose networks it uses."""
        self._fetch(self._run_id, files)
        for name, _ in files:
            self._sent[name] = _mark(self.folder / name)
        self._fetch_used(self._run_id, {self._run_id})

    def _fetch_used(self, run_id: str, known: set[str]) -> None:
        recipe = Store(self._root).recipe(run_id)
        for spec in (recipe.teacher, recipe.student):
            reference = spec.reference if spec else None
            if isinstance(reference, RunNetwork) and reference.run_id not in known:
                known.add(reference.run_id)
                self._fetch(reference.run_id, self._call("files", reference.run_id, reference.step))
                self._fetch_used(reference.run_id, known)

    def _fetch(self, run_id: str, files: tuple[tuple[str, int], ...]) -> None:
        for name, size in files:
            path = self._root / run_id / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                while file.tell() < size:
                    file.write(self._call("read", run_id, name, file.tell())[: size - file.tell()])

    def send(self) -> None:
        """Send what is new. Raises Superseded where the run goes on elsewhere."""
        events = self.folder / EVENTS
        size = events.stat().st_size if events.exists() else 0  # what they name is written already
        for path in sorted(self._files()):
            name = path.relative_to(self.folder).as_posix()
            try:
                now = _mark(path)
                if name != EVENTS and self._sent.get(name) != now:
                    self._send(name, path, now)
            except FileNotFoundError:  # an older checkpoint, removed just now
                continue
            if name != EVENTS:
                self._sent[name] = now
        self._send_events(events, size)

    def _files(self) -> list[Path]:
        folders = (self.folder, *(self.folder / name for name in (CHECKPOINTS, PROBES, SNAPSHOTS)))
        found = [path for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_file()]
        return [path for path in found if not path.name.startswith(".") and path.name not in OWN]

    def _send(self, name: str, path: Path, now: Mark) -> None:
        before = self._sent.get(name)
        with path.open("rb") as file:
            if name in GROWING and before and before[0] == now[0] and before[1] <= now[1]:  # the same file, longer
                file.seek(before[1])
                self._call("append", self._run_id, self._attempt, name, before[1], file.read(now[1] - before[1]))
                return
            last = False
            while not last:
                offset, content = file.tell(), file.read(CHUNK)
                last = file.tell() >= now[1] or not content
                self._call("put", self._run_id, self._attempt, name, offset, content, last)

    def _send_events(self, path: Path, size: int) -> None:
        offset = self._sent.get(EVENTS, (0, 0, 0))[1]
        while offset < size:
            with path.open("rb") as file:
                file.seek(offset)
                content = file.read(min(size - offset, CHUNK))
            whole = content[: content.rfind(b"\n") + 1]
            if not whole:
                return
            self._call("append", self._run_id, self._attempt, EVENTS, offset, whole)
            offset += len(whole)
            self._sent[EVENTS] = (0, offset, 0)


def _mark(path: Path) -> Mark:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
