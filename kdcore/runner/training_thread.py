"""The training thread: runs one after another; a fork and the run that it comes from take turns, step by step."""

import atexit
import threading
from collections.abc import Iterator

import torch

from kdcore.errors import UserError, log_bug
from kdcore.runner.commands import LOOK
from kdcore.runner.job import Job, Turn
from kdcore.runtime import interruption, mixed_precision

MOST_AT_ONCE = 4  # runs of a family that train in turns


class TrainingThread:
    """A daemon thread that trains jobs. Its methods may be called from any thread."""

    def __init__(self, device: torch.device, threads: int) -> None:
        """`threads`: CPU threads for training."""
        self._device = device
        self._threads = threads
        self._training: list[Job] = []  # in turns
        self._waiting: list[Job] = []
        self._ahead: Iterator[object] | None = None  # work that later runs will find done
        self._changed = threading.Condition()  # of the lists, and commands to jobs
        self._news = False  # something changed since the thread last looked
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
        job.commands.on_command = self._notify
        try:
            if self._closed:
                raise UserError("The runner is closed; start the program again.")
            job.report_queued()
            with self._changed:
                if self._closed:
                    raise UserError("The runner is closed; start the program again.")
                self._waiting.append(job)
        except BaseException:
            self._forget(job)
            raise
        self._notify()

    def prepare(self, work: Iterator[object]) -> None:
        """Do work ahead of the first job, piece by piece, until there is a job. An error in it is left to the job that meets it."""
        with self._changed:
            self._ahead = work
        self._notify()

    def stop(self, job: Job, reason: str) -> None:
        """Stop a job: at once where it is queued, else after its current step."""
        job.commands.stop(reason)
        if job.claim():
            self._finish(job)

    def job(self, run_id: str) -> Job | None:
        """The job of a run that is queued or in progress."""
        with self._changed:
            return next((job for job in (*self._training, *self._waiting) if job.run_id == run_id), None)

    def active(self) -> tuple[str, ...]:
        """The runs that are queued or in progress, those in progress first."""
        with self._changed:
            return tuple(job.run_id for job in (*self._training, *self._waiting))

    def close(self, timeout: float = 10.0) -> None:
        """Stop every job and end the thread. May be called twice."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            jobs = [*self._training, *self._waiting]
        for job in reversed(jobs):  # queued ones first, so that none of them starts
            self.stop(job, "The program that trained it was closed.")
        self._notify()
        self._thread.join(timeout)
        atexit.unregister(self.close)

    def _run(self) -> None:
        mixed_precision.settle()
        torch.set_num_threads(self._threads)
        while not self._closed or self._training:
            jobs = self._admitted()
            if not jobs:
                self._work_ahead()
                continue
            turns = [self._advanced(job) for job in jobs]
            if all(turn is Turn.IDLE for turn in turns):
                self._wait_for_news()

    def _work_ahead(self) -> None:
        work, self._ahead = self._ahead, None
        try:
            with interruption.interruptible(self._has_better_to_do):
                for _ in work or ():
                    interruption.check()
        except (UserError, interruption.Interrupted):
            pass
        except BaseException as error:
            log_bug(error)

    def _has_better_to_do(self) -> bool:
        return bool(self._waiting) or self._closed

    def _admitted(self) -> list[Job]:
        """The jobs that train now, those that may join them included. Waits for one; empty where the thread is to end, or where
        there is work to do ahead."""
        with self._changed:
            self._news = False
            while True:
                for job in list(self._waiting):
                    if self._may_train(job):
                        self._waiting.remove(job)
                        if job.claim():  # else it was stopped while it was queued
                            self._training.append(job)
                if self._training or self._closed or self._ahead:
                    return list(self._training)
                self._changed.wait()

    def _may_train(self, job: Job) -> bool:
        if not self._training:
            return True
        return job.family == self._training[0].family and len(self._training) < MOST_AT_ONCE

    def _advanced(self, job: Job) -> Turn:
        try:
            turn = job.advance(self._device)
        except BaseException as error:  # a job reports its own failure: this one is in the report, or in a listener
            log_bug(error)
            turn = Turn.ENDED
        if turn is Turn.ENDED:
            self._forget(job)
        return turn

    def _finish(self, job: Job) -> None:
        """Let a stopped job that has not begun report its end."""
        while self._advanced(job) is not Turn.ENDED:
            pass

    def _wait_for_news(self) -> None:
        with self._changed:
            if not self._news:
                self._changed.wait(LOOK)  # other processes leave commands as files

    def _notify(self) -> None:
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def _forget(self, job: Job) -> None:
        """End a job, whatever happens: others may wait for it."""
        try:
            job.release()
        except Exception as error:
            log_bug(error)
        finally:
            with self._changed:
                for jobs in (self._training, self._waiting):
                    if job in jobs:
                        jobs.remove(job)
            job.done.set()
