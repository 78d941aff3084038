"""A study on a Ray cluster of two nodes on this machine, one of which is killed in the middle: nothing may be lost.

    python -m benchmarks.lost_node [--runs 12] [--folder FOLDER]

Needs Ray (requirements-cluster.txt). Each run is small: 80 drawn images of 32 pixels, 24 epochs, 120 steps, a checkpoint an epoch. The
nodes have a processor each and send their files. A node that trains is killed without warning once a third of the runs has finished
and those in training have a checkpoint. Then all runs have to finish without a damaged line, and a run that was on the killed node has
to have the losses, the validation accuracies and the test results of an uninterrupted one, which is trained here, to the bit. The exit
status is 1 where it does not. `--folder` keeps the runs there.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kdcore import recipe as recipes
from kdcore.cluster import optional
from kdcore.cluster.ray_runs import RayRuns
from kdcore.recipe import Recipe
from kdcore.recipe import study as studies
from kdcore.runner import Runner
from kdcore.store import RunState, Store, Studies

TRAINING = b"ray::_train"  # what Ray calls a process with a task of `kdcore.cluster.ray_runs`
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}
PATIENT = {  # Ray is made for machines without other work: there may be little time and memory left by others
    "RAY_worker_niceness": "0",  # else workers run at 15, and starve beside other work
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_worker_register_timeout_seconds": "1800",
    "RAY_agent_register_timeout_ms": "1800000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "60000",
    "RAY_health_check_failure_threshold": "10",
    "RAY_USAGE_STATS_ENABLED": "0",
}
RECIPE: dict[str, Any] = {
    "name": "lost node",
    "data": {
        "name": "cues", "image_size": 32, "train_images": 100, "test_images": 100, "validation": 0.2, "batch_size": 16,
        "augment": ["flip", "crop"],
    },
    "teacher": {"model": "small_vit_patch4_32", "options": {"dim": 32, "depth": 2, "heads": 2}, "accept": True},
    "student": {"model": "three_stage_cnn_16"},
    "terms": [{"method": "ce", "weight": 0.5}, {"method": "kd", "temperature": 2.0}],
    "epochs": 24,
    "checkpoint_every": 1,
    "probes": {"images": 0},
}  # fmt: skip


class Nodes:
    """A cluster in a folder of its own, whose head trains nothing: other clusters of this machine do not meet it.

    PATIENT has to be in the environment.
    """

    def __init__(self, folder: Path) -> None:
        """`folder`: with a short path, as sockets are in it."""
        optional.load("ray", "A cluster")
        from ray.cluster_utils import Cluster

        self.folder = folder
        (
            folder / "ray"
        ).mkdir()  # Ray writes the newest cluster's address there, which others would find in its usual folder
        os.environ["RAY_TMPDIR"] = str(folder)
        head = NODE | {"num_cpus": 0, "include_dashboard": False, "temp_dir": str(folder)}
        self._cluster = self._started(lambda: Cluster(initialize_head=True, head_node_args=head))
        self.address: str = self._cluster.address

    def add(self) -> Any:
        """A further node."""
        return self._started(lambda: self._cluster.add_node(**NODE))

    def _started(self, start: Callable[[], Any]) -> Any:
        """Start a node, again where it fails: Ray gives it half a minute, which is little on a machine with other work."""
        before, tries = self.processes(), 3
        while True:
            try:
                return start()
            except Exception:
                kill(self.processes() - before)  # it would join late, as a node too many
                tries -= 1
                if not tries:
                    raise

    def training(self) -> list[Any]:
        """The nodes with a worker that trains; on Linux."""
        parents = set()
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (place / "cmdline").read_bytes().startswith(TRAINING):
                    parents.add(int((place / "stat").read_text().rpartition(")")[2].split()[1]))
        return [node for node in self._cluster.worker_nodes if _raylet(node) in parents]

    def lose(self, node: Any) -> None:
        """Kill a node without warning."""
        self._cluster.remove_node(node, allow_graceful=False)

    def processes(self) -> set[int]:
        """Those that have a file of the cluster open, such as a log; on Linux."""
        found = set()
        for place in Path("/proc").glob("[0-9]*/fd"):
            with contextlib.suppress(OSError):
                if any(os.readlink(file).startswith(f"{self.folder}/") for file in place.iterdir()):
                    found.add(int(place.parent.name))
        return found - {os.getpid()}

    def close(self) -> None:
        """End all nodes, wait for their processes, and remove their folder."""
        try:
            self._cluster.shutdown()
            until(lambda: not self.processes(), 60)
        finally:
            kill(self.processes())
            del os.environ["RAY_TMPDIR"]
            shutil.rmtree(self.folder, ignore_errors=True)


def _raylet(node: Any) -> int:
    """The process of a node that starts its workers."""
    (started,) = node.all_processes["raylet"]
    return int(started.process.pid)


@contextlib.contextmanager
def nodes() -> Iterator[Nodes]:
    """A cluster that is ended with the block."""
    made = Nodes(Path(tempfile.mkdtemp(prefix="kd-ray-", dir="/tmp")))
    try:
        yield made
    finally:
        made.close()


def kill(processes: set[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def until(condition: Callable[[], object], seconds: float = 3600.0) -> None:
    """Wait for something that always happens. Raises TimeoutError where it does not."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it did not happen in time")
        time.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--folder", type=Path, help="where the runs are kept; default: a temporary folder")
    options = parser.parse_args()
    for name, value in PATIENT.items():
        os.environ.setdefault(name, value)
    with tempfile.TemporaryDirectory(prefix="kd-lost-node-") as name:
        folder = options.folder or Path(name)
        recipe = recipes.from_plain(RECIPE)
        lost, all_of_them = studied(Store(folder / "runs"), recipe, options.runs)
        return report(Store(folder / "runs"), lost, all_of_them, uninterrupted(folder / "alone", lost, recipe))


def studied(store: Store, recipe: Recipe, runs: int) -> tuple[list[str], list[RunState]]:
    """Train the study, and kill a node; the runs that were on it, and the states of all."""
    plain = {"name": recipe.name, "recipe": recipe.model_dump(mode="json"), "seeds": list(range(runs))}
    with nodes() as cluster:
        cluster.add(), cluster.add()
        with RayRuns(store, address=cluster.address, send=True) as ray_runs:
            study_id, known = ray_runs.start_study(studies.from_plain(plain)), Studies(store)

            def states() -> list[RunState]:
                return [place.run for place in known.state(study_id).places if place.run]

            def ready() -> bool:
                now = states()
                if sum(run.status == "finished" for run in now) < runs // 3:
                    return False
                training = [run for run in now if run.status == "running"]
                early = [run for run in training if run.checkpoints and run.progress < 0.7]
                return 0 < len(early) == len(training) == len(cluster.training())

            until(lambda: ready() or not ray_runs.active())
            if not (doomed := cluster.training()[:1]):
                raise SystemExit("All runs ended before a node that trains could be killed: start it again.")
            cluster.lose(*doomed)
            print(
                f"killed a node: {sum(run.status == 'finished' for run in states())} of {runs} runs had finished",
                flush=True,
            )
            until(lambda: not ray_runs.active())
            ended = states()
    return [run.id for run in ended if any(" was lost at step " in note["text"] for note in run.notes)], ended


def uninterrupted(folder: Path, lost: list[str], recipe: Recipe) -> dict[str, tuple[Store, str]]:
    """The lost runs again, by their id, in this process and without interruption."""
    runner = Runner(Store(folder), device="cpu", threads=1)
    found = {}
    for run_id in lost:
        again = Store(folder.parent / "runs").recipe(run_id)
        (alone,) = runner.start(again)
        runner.wait(alone)
        found[run_id] = runner.store, alone
    runner.close()
    return found


def report(store: Store, lost: list[str], ended: list[RunState], alone: dict[str, tuple[Store, str]]) -> int:
    """Print what happened; the exit status."""
    finished = sum(run.status == "finished" for run in ended)
    damaged = [run.id for run in ended if run.damage]
    print(
        f"{finished} of {len(ended)} runs finished, {len(damaged)} with a damaged line; {len(lost)} lost their worker:"
    )
    same = True
    for run_id in lost:
        equal = alike(numbers(store, run_id), numbers(*alone[run_id]))
        same &= equal
        for note in store.state(run_id).notes:
            if " was lost at step " in note["text"] or note["text"].startswith("Resuming from "):
                print(f"  {run_id}: {note['text']}")
        print(f"  {run_id}: its numbers {'equal' if equal else 'DIFFER FROM'} those of an uninterrupted run")
    return int(not (lost and same and not damaged and finished == len(ended)))


def alike(numbers: dict[str, Any], others: dict[str, Any]) -> bool:
    """Whether all that both have is equal: which steps are logged depends on the time that they take. Results have to be in both."""
    both = numbers.keys() & others.keys()
    return "test" in both and len(both) > 1 and all(numbers[name] == others[name] for name in both)


def numbers(store: Store, run_id: str) -> dict[str, Any]:
    """Losses and validation accuracies by step, and the test results; of steps that were taken twice the later ones."""
    found: dict[str, Any] = {}
    for line in (store.folder(run_id) / "events.jsonl").read_text(encoding="utf-8").splitlines():
        match json.loads(line):
            case {"event": "StepEnded", "step": step, "losses": losses}:
                found[f"loss {step}"] = losses
            case {"event": "Evaluated", "step": step, "split": split, "metrics": metrics}:
                found[f"{split} {step}"] = metrics
            case {"event": "RunFinished", "results": results}:
                found["test"] = results
    return found


if __name__ == "__main__":
    sys.exit(main())
