"""Runs in a background thread: starts them, drives the loop, feeds the store, obeys between two steps.

`Runner` is what pages and the command line ask. Its `Worker` has the thread, the only one there is: one run at a time on the
device; the others queue. A `Job` is what one run goes through there.
"""

import os
import threading

from kdcore.paths import ASSETS, runs_folder
from kdcore.runner.runner import Runner
from kdcore.store import Store

__all__ = ["Runner", "get"]

_runner: Runner | None = None
_making = threading.Lock()


def get() -> Runner:
    """The process's own runner, made at the first call. It leaves a core to the pages: two training threads that must wait
    for each other stall as soon as something else wants one of two cores."""
    global _runner
    with _making:
        if _runner is None:
            threads = None if os.environ.get("KD_THREADS") else max(1, (os.cpu_count() or 1) - 1)
            _runner = Runner(Store(runs_folder(), recorded=ASSETS / "runs"), threads=threads)
        return _runner
