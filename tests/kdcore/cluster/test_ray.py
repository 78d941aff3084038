"""A study on a Ray cluster of two nodes on this machine, one of which is killed."""

import time
import warnings

import pytest

from kdcore.cluster.ray_runs import RayRuns
from kdcore.errors import UserError
from kdcore.recipe import study as studies
from kdcore.store import Store, Studies

ray = pytest.importorskip("ray", reason="ray is missing (requirements-cluster.txt)")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray's own

NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}
PATIENCE = 300.0  # seconds, on a machine with other work


@pytest.fixture
def cluster(monkeypatch):
    """The head, which trains nothing itself."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args=NODE | {"num_cpus": 0, "include_dashboard": False})
    yield made
    made.shutdown()


def until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def node_of(cluster):
    """A further node with one processor; Ray gives it half a minute to start, which is little on a machine with other work."""
    for tries_left in (2, 1, 0):
        try:
            return cluster.add_node(**NODE)
        except Exception:
            if not tries_left:
                raise
    raise AssertionError


def test_a_node_that_is_killed_in_the_middle_of_a_study_loses_nothing(cluster, tmp_path, tiny):
    node = node_of(cluster)
    recipe = tiny(epochs=40, twin=False, checkpoint_every=1, probes={"images": 0})
    plain = {"name": "two nodes", "recipe": recipe.model_dump(mode="json"), "seeds": [0, 1]}
    with RayRuns(Store(tmp_path / "runs"), address=cluster.address, send=True) as runs:
        assert runs.at_once == 1
        with pytest.raises(
            UserError, match=r"A run needs 8 processors and 0 GPUs, and no machine of the cluster has them"
        ):
            RayRuns(runs.store, cpus=8)
        study_id, known = runs.start_study(studies.from_plain(plain)), Studies(runs.store)

        def training():
            now = [place.run for place in known.state(study_id).places if place.run.status == "running"]
            return [run for run in now if run.checkpoints]

        until(training)  # live in the store
        (lost,) = training()
        cluster.remove_node(node, allow_graceful=False)
        node_of(cluster)
        until(lambda: not runs.active())
        state = known.state(study_id)
        assert (state.status, state.done) == ("finished", 2)
        assert {place.run.damage for place in state.places} == {""}
        notes = [note["text"] for note in runs.store.state(lost.id).notes]
        assert any(text.startswith("The worker on ") and " was lost at step " in text for text in notes)
        assert any(text.startswith("Resuming from 000") for text in notes)
        steps, _ = runs.store.series(lost.id)["loss/student/total"]
        assert len(set(steps.tolist())) == len(steps)
    assert list((tmp_path / "runs").glob(".cluster-*")) == []


def test_no_cluster_at_an_address_is_said_in_words(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with pytest.raises(UserError, match=r"There is no Ray cluster at auto .* Start one with `ray start --head`"):
        RayRuns(Store(tmp_path), address="auto")
