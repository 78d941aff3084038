"""`streamlit run app.py`, whose training waits after every event, as for a GPU: other tests need the processor.

python -m tests.unhurried run app.py ...      the arguments of `streamlit`
"""

import runpy
import time
from collections.abc import Callable

from kdcore.events import Event
from kdcore.runner import Runner

Forward = Callable[[Runner, str, Event], None]
TIMES = 6  # what the thread computed since the last event
MOST = 1.5  # seconds


def waiting(forward: Forward) -> Forward:
    computed = {"before": 0.0}

    def forward_and_wait(runner: Runner, run_id: str, event: Event) -> None:
        forward(runner, run_id, event)
        time.sleep(min(MOST, TIMES * max(0.0, time.thread_time() - computed["before"])))
        computed["before"] = time.thread_time()

    return forward_and_wait


if __name__ == "__main__":
    Runner._forward = waiting(Runner._forward)
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)
