"""The app as a server that reports what it holds: `kill -USR1` writes the sizes of its dictionaries, lists and caches to KD_HELD.

KD_HELD=held.json python -m benchmarks.held run app.py          the arguments are streamlit's
"""

import gc
import json
import os
import signal
import sys
import types
from collections import Counter, deque
from pathlib import Path
from typing import Any

from kdcore.files.atomic import replacing

CONTAINERS = (dict, list, set, deque)  # and what is derived from them
OURS = ("kdcore", "pages")


def held() -> dict[str, int]:
    """Entries by place: containers and caches of modules, containers of objects by their class, and objects by type."""
    counts: Counter[str] = Counter()
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in OURS:
            for attribute, value in list(vars(module).items()):
                counts.update(entries(f"{name}.{attribute}", value, name))
    gc.collect()
    for thing in gc.get_objects():
        kind = type(thing)
        counts[f"objects: {kind.__module__}.{kind.__qualname__}"] += 1
        if kind.__module__.split(".")[0] in OURS and not isinstance(thing, type):
            for attribute, value in list(getattr(thing, "__dict__", {}).items()):
                if isinstance(value, CONTAINERS):
                    counts[f"{kind.__module__}.{kind.__qualname__}.{attribute}"] += len(value)
    return dict(counts)


def entries(name: str, value: Any, module: str) -> dict[str, int]:
    """How many entries a module's attribute has, where it is a container, or a function with a cache of its own."""
    if isinstance(value, CONTAINERS):
        return {name: len(value)}
    if hasattr(value, "cache_info") and getattr(value, "__module__", "") == module:
        return {f"{name} (cache)": value.cache_info().currsize}
    return {}


def write(number: int, frame: types.FrameType | None) -> None:
    with replacing(Path(os.environ["KD_HELD"])) as path:
        path.write_text(json.dumps(held()), encoding="utf-8")


if __name__ == "__main__":
    from streamlit.web.cli import main

    signal.signal(signal.SIGUSR1, write)
    main(prog_name="streamlit")
