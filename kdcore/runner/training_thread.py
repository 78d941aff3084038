"""The training thread: jobs one after another, the current one and those that are queued."""

import atexit
import queue
import threading

import torch

from kdcore.errors import UserError, log_bug
from kdcore.runner.job import Job
from kdcore.runtime import mixed_precision


class TrainingThread:
    """A daemon thread that runs jobs one after another. Its methods may be called from any thread."""

    def __init__(self, device: torch.device, threads: int) -> None:
        """`threads`: CPU threads for training."""
        self._device = device
        self._threads = threads
        self._jobs: dict[str, Job] = {}  # by run id, the current one first
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()  # None ends the thread
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"kdcore-{device}", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def enqueue(self, job: Job) -> None:
        """Queue a job. Where that fails, the job is released.

        Raises:
            UserError: the thread is closed.
            OSError: the job's first event cannot be written.
        """
        with self._lock:
            if self._closed:
                job.release()
                raise UserError("The runner is closed; start the program again.")
            self._jobs[job.run_id] = job
        try:
            job.report_queued()
        except BaseException:
            self._forget(job)
            raise
        self._queue.put(job)

    def stop(self, job: Job, reason: str) -> None:
        """Stop a job: at once where it is queued, else after its current step."""
        job.stop(reason)
        if job.claim():
            self._run_claimed(job)

    def job(self, run_id: str) -> Job | None:
        """The job of a run that is queued or in progress."""
        with self._lock:
            return self._jobs.get(run_id)

    def active(self) -> tuple[str, ...]:
        """The runs that are queued or in progress, the current one first."""
        with self._lock:
            return tuple(self._jobs)

    def close(self, timeout: float = 10.0) -> None:
        """Stop every job and end the thread. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            jobs = list(self._jobs.values())
        for job in reversed(jobs):  # queued ones first, so that none of them starts
            self.stop(job, "The program that trained it was closed.")
        self._queue.put(None)
        self._thread.join(timeout)
        atexit.unregister(self.close)

    def _run(self) -> None:
        mixed_precision.settle()
        torch.set_num_threads(self._threads)
        while (job := self._queue.get()) is not None:
            if job.claim():  # else it was stopped while it was queued
                self._run_claimed(job)

    def _run_claimed(self, job: Job) -> None:
        try:
            job.run(self._device)
        except Exception as error:  # a job reports its own failure: this one is in the report, or in a listener
            log_bug(error)
        finally:
            self._forget(job)

    def _forget(self, job: Job) -> None:
        """End a job, whatever happens: others may wait for it."""
        try:
            job.release()
        except Exception as error:
            log_bug(error)
        finally:
            with self._lock:
                self._jobs.pop(job.run_id, None)
            job.done.set()
