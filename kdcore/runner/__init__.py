"""Runs in a background thread: started, stored event by event, and controlled between two steps.

Runner              starts, stops and resumes runs and studies; the interface of pages and the command line
TrainingThread      the only thread that trains: one run at a time on the device, the others are queued
Job                 one run in that thread: its parts, its events and its checkpoints; `commands` are followed between two steps
"""

import os
import threading

from kdcore import plugins
from kdcore.paths import ASSETS, runs_folder
from kdcore.runner.runner import Runner
from kdcore.runtime import cores
from kdcore.store import Store

__all__ = ["Runner", "get"]

_runner: Runner | None = None
_making = threading.Lock()


def get() -> Runner:
    """The runner of this process, created on first use.

    It leaves one core to the pages: training threads wait for each other, so all of them stall where a page takes the core
    of one.
    """
    global _runner
    with _making:
        if _runner is None:
            plugins.every()  # loaded now, so that the terminal says at the start what is wrong with one
            threads = None if os.environ.get("KD_THREADS") else cores.beside_pages()
            _runner = Runner(Store(runs_folder(), recorded=ASSETS / "runs"), threads=threads)
        return _runner
