"""What is left after a kill and a resume, compared with the unbroken work."""

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.faults import work
from kdcore.errors import UserError
from kdcore.files import locks
from kdcore.recipe import yaml_text
from kdcore.store import Store
from kdcore.store.replay import checking

ENDS = ("RunFinished", "RunStopped", "RunFailed")


def results(place: Path) -> dict[str, Any]:
    """All that must equal the unbroken work: weights to the bit, and test results. Runs by their order, not their ids."""
    store = Store(place / "runs")
    found: dict[str, Any] = {}
    for number, run_id in enumerate(sorted(store.ids())):
        state, last = store.state(run_id), store.checkpoint(run_id)
        found[f"run {number}"] = [state.status, state.results, tensors(last) if last else ""]
    if (out := place / work.OUT).exists():
        found["file"] = tensors(out)
    return found


def tensors(path: Path) -> str:
    """A hash over the name, type and bytes of every tensor in a safetensors file, and over a checkpoint's other state."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    state = header.pop("__metadata__", {}).get("state", "")
    digest = hashlib.sha256(state.encode())
    for name, entry in sorted(header.items()):
        start, end = entry["data_offsets"]
        digest.update(f"{name} {entry['dtype']} {entry['shape']}".encode())
        digest.update(content[8 + length + start : 8 + length + end])
    return digest.hexdigest()


def troubles(place: Path) -> Iterator[str]:
    """What should not be there: lines that are cut or out of order, locks that are held, files that are left."""
    for folder in sorted((place / "runs").glob("*/events.jsonl")):
        yield from (f"{folder.parent.name}: {trouble}" for trouble in _of_events(folder))
    for lock in (*place.rglob("*.lock"), *place.rglob("lock")):
        if locks.is_held(lock):
            yield f"{lock.relative_to(place)} is still locked"
    for path in place.rglob("*"):
        if path.name.endswith((".half", ".damaged", ".part")) or path.name.startswith(".deleted-"):
            yield f"{path.relative_to(place)} is left"
    for run in (place / "runs").glob("[0-9]*"):
        if not (run / "recipe.yaml").is_file():
            yield f"{run.name} has no recipe"
    for study in (place / "runs" / "studies").glob("*.yaml"):
        yaml_text.read(study.read_bytes(), source=study.name)


def _of_events(path: Path) -> Iterator[str]:
    content = path.read_bytes()
    if not content.endswith(b"\n"):
        yield "the last line is cut"
    step, ended = -1, 0
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            event = checking.event(line)
        except UserError as error:
            yield f"line {number}: {error}"
            continue
        if event["event"] == "RunStarted":
            step = event["step"]
        elif event["event"] == "StepEnded":
            if event["step"] <= step:
                yield f"line {number}: step {event['step']} after step {step}"
            step = event["step"]
        ended = number if event["event"] in ENDS else ended
    if ended != len(content.splitlines()):
        yield "the last event is not the end of the run"
