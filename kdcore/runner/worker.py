"""The one thread that runs are driven in: the job at hand and those that wait."""

import atexit
import queue
import threading
import traceback

import torch

from kdcore.errors import UserError
from kdcore.runner.job import Job
from kdcore.runtime import mixed_precision


class Worker:
    """Works on jobs one after another, in a daemon thread. Its methods may be called from any thread."""

    def __init__(self, device: torch.device, threads: int) -> None:
        """`threads` of the CPU are for training."""
        self._device = device
        self._threads = threads
        self._jobs: dict[str, Job] = {}  # by run, the present one first
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()  # None: no more
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"kdcore-{device}", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def put(self, job: Job) -> None:
        """Queue a job. Raises ValueError where the worker is closed, OSError where the disk does not take the job's first
        event; then the job is released."""
        with self._lock:
            if self._closed:
                job.release()
                raise UserError("The runner is closed; start the program again.")
            self._jobs[job.run_id] = job
        try:
            job.queued()
        except BaseException:
            self._forget(job)
            raise
        self._queue.put(job)

    def job(self, run_id: str) -> Job | None:
        """The job of a run, while it waits or is worked on."""
        with self._lock:
            return self._jobs.get(run_id)

    def active(self) -> tuple[str, ...]:
        """The runs that wait or are worked on, the present one first."""
        with self._lock:
            return tuple(self._jobs)

    def close(self, timeout: float = 10.0) -> None:
        """Stop every job and end the thread. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            jobs = list(self._jobs.values())
        for job in jobs:
            job.stop("The program that trained it was closed.")
        self._queue.put(None)
        self._thread.join(timeout)
        atexit.unregister(self.close)

    def _work(self) -> None:
        mixed_precision.settle()
        torch.set_num_threads(self._threads)
        while (job := self._queue.get()) is not None:
            try:
                job.work(self._device)
            except (
                Exception
            ):  # the job says its own failures; this is one in saying them, and the next job is to be done
                traceback.print_exc()
            finally:
                self._forget(job)

    def _forget(self, job: Job) -> None:
        """A job is over: whatever happens, nobody waits for it any longer."""
        try:
            job.release()
        except Exception:
            traceback.print_exc()
        finally:
            with self._lock:
                self._jobs.pop(job.run_id, None)
            job.done.set()
