"""Runs on a Ray cluster: each run is a task with its processors and GPUs, which Ray places, and places again when a worker dies."""

import contextlib
import os
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kdcore import plugins
from kdcore.checks import preflight
from kdcore.cluster import optional, worker
from kdcore.cluster.receiver import Receiver
from kdcore.errors import UserError
from kdcore.files import disk
from kdcore.recipe import Recipe
from kdcore.recipe import study as studies
from kdcore.recipe.study import Study
from kdcore.runner import studies as of_studies
from kdcore.store import Store, Studies
from kdcore.store.run_ids import is_run

RETRIES = 3  # of a run whose worker is lost
STOPPING = 60.0  # seconds for runs to end with a checkpoint
REACHED = 10.0  # seconds for a connection to the head of a cluster
UNSEEN = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}  # no report on use, no warning about GPUs


class RayRuns:
    """Trains runs on the workers of a Ray cluster; their files arrive in this store while they train.

    A context manager. Where this process ends, the cluster ends its runs; they can be resumed.
    """

    def __init__(
        self,
        store: Store,
        *,
        address: str | None = None,
        cpus: float = 1,
        gpus: float | None = None,
        send: bool = False,
    ) -> None:
        """
        Args:
            address: of a cluster that this machine belongs to, `auto` or HOST:PORT; None: this machine alone.
            cpus: processors for each run; gpus: GPUs, also a part of one; by default one where the cluster has any.
            send: send a run's files also from workers that see this store's folder.

        Raises:
            UserError: Ray is missing, there is no cluster at the address, or it has not what a run needs.
        """
        self.store = store
        self._ray = ray = optional.load("ray", "A study on Ray")
        for name, value in UNSEEN.items():
            os.environ.setdefault(name, value)
        self._connected = not ray.is_initialized()
        if self._connected:
            self._connect(address)
        self._tasks: dict[str, Any] = {}
        self._receiver: Any = None
        self._mark = store.root / f".cluster-{secrets.token_hex(6)}"
        try:
            self._begin(cpus, gpus, send)
        except BaseException:
            self.close()
            raise

    def _connect(self, address: str | None) -> None:
        if address not in (None, "auto", "local"):
            _check_reachable(address)
        quiet = {
            "log_to_driver": False,
            "logging_level": "ERROR",
            "include_dashboard": False if address is None else None,
        }
        try:
            self._ray.init(address=address or "local", **quiet)
        except (ConnectionError, RuntimeError, ValueError, self._ray.exceptions.AuthenticationError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"There is no Ray cluster at {address or 'this machine'} that takes this machine ({reason}). Start one with `ray start --head`, "
                "and join it from this machine; where it is there, give this machine its token (~/.ray/auth_token); or leave out --address "
                "to use this machine alone. docs/scale.md has the steps."
            ) from None

    def _begin(self, cpus: float, gpus: float | None, send: bool) -> None:
        ray, has = self._ray, self._ray.cluster_resources()
        gpus = min(1.0, has.get("GPU", 0)) if gpus is None else gpus
        largest = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in largest):
            machines = "; ".join(f"{node.get('CPU', 0):g} processors, {node.get('GPU', 0):g} GPUs" for node in largest)
            raise UserError(
                f"A run needs {cpus:g} processors and {gpus:g} GPUs, and no machine of the cluster has them ({machines}): change "
                "--cpus or --gpus, or add a machine."
            )
        fits = [has.get(name, 0) // needed for name, needed in (("CPU", cpus), ("GPU", gpus)) if needed]
        self._at_once = max(1, int(min(fits)))
        with disk.in_words(self.store.root, then="start the study again"):
            self.store.root.mkdir(parents=True, exist_ok=True)
            self._mark.touch()
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        actor = ray.remote(Receiver).options(num_cpus=0, scheduling_strategy=here)
        self._receiver = actor.remote(str(self.store.root))
        task = ray.remote(_train).options(
            num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES, scheduling_strategy="SPREAD",
            runtime_env={"env_vars": own} if (own := plugins.environment()) else None,
        )  # fmt: skip
        device, threads = "cuda" if gpus else "cpu", max(1, int(cpus))
        self._remote = lambda run_id: task.remote(
            self._receiver, run_id, str(self.store.root), self._mark.name, device, threads, send
        )

    @property
    def at_once(self) -> int:
        """How many runs the cluster trains at the same time."""
        return self._at_once

    def check(self, recipe: Recipe) -> None:
        """Check what is known without the worker: it checks the rest when it begins. Raises UserError."""
        preflight.check(recipe, self.store)

    def start_study(self, study: Study) -> str:
        """Store a study and queue its runs; returns its id. Raises RecipeError where a variant cannot run."""
        studies.check(study, self.check)
        study_id = Studies(self.store).create(study)
        self.resume_study(study_id)
        return study_id

    def resume_study(self, study_id: str) -> None:
        """Queue the runs of a study that have not ended. Raises UserError where another process trains one of them."""
        of_studies.resume(self, study_id)

    def begin(self, run_id: str, recipe: Recipe) -> None:
        """Queue a run: a new one, or one that continues from its last checkpoint. Raises UserError."""
        if not is_run(str(self.store.root / run_id)):
            self.store.create(recipe, run_id)
        self._call("queue", run_id)
        self._tasks[run_id] = self._remote(run_id)

    def stop(self, run_id: str, reason: str = "Stopped by a user.") -> None:
        """End a run after its current step, with a checkpoint; one that waits for a worker, at once."""
        if run_id not in self._tasks:
            raise UserError(f"Run {run_id} is not trained from here, or has ended.")
        if self._call("stop", run_id, reason):
            self._ray.cancel(self._tasks.pop(run_id))

    def wait(self, run_id: str, timeout: float | None = None) -> bool:
        """Block until a run has ended; False after `timeout` seconds."""
        if run_id not in self._tasks:
            return True
        ended, _ = self._ray.wait([self._tasks[run_id]], timeout=timeout)
        if ended:
            self._settle(run_id)
        return bool(ended)

    def active(self) -> tuple[str, ...]:
        """The runs that wait for a worker or are on one."""
        ended, _ = (
            self._ray.wait(list(self._tasks.values()), num_returns=len(self._tasks), timeout=0)
            if self._tasks
            else ([], [])
        )
        for run_id in [run_id for run_id, task in self._tasks.items() if task in ended]:
            self._settle(run_id)
        return tuple(self._tasks)

    def close(self) -> None:
        """Stop all runs, each with a checkpoint, and leave the cluster. May be called twice."""
        if self._receiver is not None:
            with contextlib.suppress(self._ray.exceptions.RayError):
                for run_id in reversed(list(self._tasks)):
                    self.stop(run_id, "The program that trained it was closed.")
                for run_id in list(self._tasks):
                    self.wait(run_id, STOPPING)
                self._call("close")
            self._receiver = None
        with contextlib.suppress(OSError):
            self._mark.unlink(missing_ok=True)
        if self._connected:
            self._connected = False
            self._ray.shutdown()

    def __enter__(self) -> "RayRuns":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _settle(self, run_id: str) -> None:
        """Note the end of a task; where Ray has given up on it, its run has failed."""
        errors = self._ray.exceptions
        try:
            self._ray.get(self._tasks.pop(run_id))
        except errors.TaskCancelledError:
            pass
        except errors.RayTaskError as error:  # an error in the task itself
            last = str(error).strip().splitlines()[-1]
            self._call("lost", run_id, f"The worker could not train it: {last}")
        except errors.RayError:
            self._call(
                "lost",
                run_id,
                f"Its worker was lost {RETRIES + 1} times. Resume it: it goes on from its last checkpoint.",
            )

    def _call(self, name: str, *arguments: Any) -> Any:
        return _called(self._receiver, name, *arguments)


def _check_reachable(address: str) -> None:
    """Connect to the head's port and close the connection: Ray itself tries for a quarter of an hour. Raises UserError."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UserError(
            f"{address!r} is no address of a Ray cluster: `auto`, for the cluster that this machine belongs to, or HOST:PORT of its "
            "head, such as 10.0.0.1:6379."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACHED).close()
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that no host can have
        why = getattr(error, "strerror", None) or error
        raise UserError(
            f"There is no Ray cluster at {address} ({why}). Start one with `ray start --head --port {port}` there; its address is what "
            "that command prints. docs/scale.md has the steps."
        ) from None


def _called(receiver: Any, name: str, *arguments: Any) -> Any:
    """Call the receiver and wait for the result; its UserErrors are raised as such."""
    import ray

    try:
        return ray.get(getattr(receiver, name).remote(*arguments))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        raise


def _train(receiver: Any, run_id: str, root: str, mark: str, device: str, threads: int, send: bool) -> str:
    """The task of a run.

    It calls the receiver from a thread of its own: Ray takes a task whose main thread waits for a result to be idle, and would begin
    another run on its processors.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="calling-the-receiver") as calling:
        return worker.train(
            lambda name, *arguments: calling.submit(_called, receiver, name, *arguments).result(),
            run_id, root, mark, worker=socket.gethostname(), device=device, threads=threads, send=send,
        )  # fmt: skip
