"""Runs and studies whose recipes use the weights of a run. Deleting that run leaves them without these weights."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from kdcore.files.reading import read_whole
from kdcore.store.runs import Store

MOST_BYTES = 1 << 20


def dependants(store: Store, run_ids: Sequence[str]) -> list[str]:
    """Those that name one of these runs as `run:ID/...`, without these runs themselves: `run ID` and `study ID`, sorted."""
    wanted = re.compile(rf"run:({'|'.join(map(re.escape, run_ids))})(?![A-Za-z0-9._-])".encode())
    return sorted(label for label, path in _recipes(store, run_ids) if wanted.search(_content(path)))


def warning(store: Store, run_ids: Sequence[str]) -> str:
    """A sentence about those that use these weights; empty where there are none."""
    found = dependants(store, run_ids)
    if not found:
        return ""
    names = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    its, use = ("its" if len(run_ids) == 1 else "their"), ("uses" if len(found) == 1 else "use")
    return f"{names} {use} {its} weights, and cannot be resumed, or shown with that network, without them."


def _recipes(store: Store, run_ids: Sequence[str]) -> Iterator[tuple[str, Path]]:
    for run_id in store.ids():
        if run_id not in run_ids:
            yield f"run {run_id}", store.root / run_id / "recipe.yaml"
    for path in sorted((store.root / "studies").glob("*.yaml")):
        yield f"study {path.stem}", path


def _content(path: Path) -> bytes:
    with suppress(OSError):
        return read_whole(path, MOST_BYTES)
    return b""
