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

NODE = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
PATIENCE = 300.0  # seconds, on a machine with other work


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args=NODE)
    yield made
    made.shutdown()


def until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def test_a_node_that_is_killed_in_the_middle_of_a_study_loses_nothing(cluster, tmp_path, tiny):
    second = cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
    recipe = tiny(epochs=25, twin=False, checkpoint_every=1, probes={"images": 0})
    plain = {"name": "two nodes", "recipe": recipe.model_dump(mode="json"), "seeds": [0, 1, 2]}
    with RayRuns(Store(tmp_path / "runs"), address=cluster.address, send=True) as runs:
        assert runs.at_once == 2
        with pytest.raises(
            UserError, match=r"A run needs 8 processors and 0 GPUs, and no machine of the cluster has them"
        ):
            RayRuns(runs.store, cpus=8)
        study_id, known = runs.start_study(studies.from_plain(plain)), Studies(runs.store)

        def training():
            return [
                place
                for place in known.state(study_id).places
                if place.run.status == "running" and place.run.checkpoints
            ]

        until(lambda: len(training()) == 2)  # live in the store, one on each node
        cluster.remove_node(second, allow_graceful=False)
        until(lambda: not runs.active())
        state = known.state(study_id)
        assert (state.status, state.done) == ("finished", 3)
        lost = [
            place.run for place in state.places if any("was lost at step" in note["text"] for note in place.run.notes)
        ]
        assert len(lost) == 1
        assert any(note["text"].startswith("Resuming from 000") for note in lost[0].notes)
        assert {place.run.damage for place in state.places} == {""}
        steps, _ = runs.store.series(lost[0].id)["loss/student/total"]
        assert len(set(steps.tolist())) == len(steps)
    assert list((tmp_path / "runs").glob(".cluster-*")) == []


def test_no_cluster_at_an_address_is_said_in_words(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with pytest.raises(UserError, match=r"There is no Ray cluster at auto .* Start one with `ray start --head`"):
        RayRuns(Store(tmp_path), address="auto")
