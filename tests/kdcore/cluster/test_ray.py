"""A study on a Ray cluster of two nodes on this machine, one of which is killed."""

import socket
import threading
import warnings

import pytest

from benchmarks import lost_node
from benchmarks.lost_node import until
from kdcore import plugins
from kdcore.cluster import ray_runs
from kdcore.cluster.ray_runs import RayRuns
from kdcore.errors import UserError
from kdcore.recipe import study as studies
from kdcore.store import Store, Studies
from tests.kdcore.plugins.conftest import EXAMPLES

ray = pytest.importorskip("ray", reason="ray is missing (requirements-cluster.txt)")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray's own


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for name, value in lost_node.PATIENT.items():
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with lost_node.nodes() as made:
            yield made


@pytest.mark.slow
def test_a_node_that_is_killed_in_the_middle_of_a_study_loses_nothing(cluster, tmp_path, tiny, monkeypatch):
    """Its runs use a plugin, which their workers have to load."""
    plugin = tmp_path / "plugins" / "margin.py"
    plugin.parent.mkdir()
    plugin.write_text(EXAMPLES["margin.py"], encoding="utf-8")
    monkeypatch.setenv(plugins.VARIABLE, str(plugin))
    node = cluster.add()
    terms = [{"method": "ce"}, {"method": "margin"}]
    recipe = tiny(epochs=40, twin=False, checkpoint_every=1, probes={"images": 0}, terms=terms)
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
        cluster.lose(node)
        cluster.add()
        until(lambda: not runs.active())
        state = known.state(study_id)
        assert (state.status, state.done) == ("finished", 2)
        assert {place.run.damage for place in state.places} == {""}
        notes = [note["text"] for note in runs.store.state(lost.id).notes]
        assert any(text.startswith("The worker on ") and " was lost at step " in text for text in notes)
        assert any(text.startswith("Resuming from 000") for text in notes)
        assert runs.store.environment(lost.id)[-1]["plugin"]["method margin"]["file"] == str(plugin)
        steps, _ = runs.store.series(lost.id)["loss/student/margin"]
        assert len(set(steps.tolist())) == len(steps)
    assert list((tmp_path / "runs").glob(".cluster-*")) == []


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("Could not find any running Ray instance."),
        ray.exceptions.AuthenticationError("Could not find a token."),
    ],
)
def test_where_no_cluster_takes_this_machine_it_is_said_in_words(tmp_path, monkeypatch, error):
    def none_found(**_):
        raise error

    monkeypatch.setattr(ray, "init", none_found)  # on this machine others may have one
    words = (
        r"no Ray cluster at auto that takes this machine \(Could not find .* `ray start --head`.* \(~/.ray/auth_token\)"
    )
    with pytest.raises(UserError, match=words):
        RayRuns(Store(tmp_path), address="auto")


def test_an_address_at_which_nobody_answers_is_refused_at_once(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UserError, match=rf"There is no Ray cluster at {address} \(Connection refused\)"):
            RayRuns(Store(tmp_path), address=address)


@pytest.mark.parametrize(
    "address", ["head", "ray://head:10001x", "ray://head:10001", "head:²", "head:", ":6379", "head:0", "head:99999"]
)
def test_an_address_is_auto_or_a_host_with_its_port(tmp_path, address):
    with pytest.raises(UserError, match=r"is no address of a Ray cluster: `auto`, .* or HOST:PORT of its head"):
        RayRuns(Store(tmp_path), address=address)


def test_a_host_whose_name_no_host_can_have_is_refused_in_words(tmp_path):
    with pytest.raises(UserError, match="There is no Ray cluster at a{70}:6379"):
        RayRuns(Store(tmp_path), address=f"{'a' * 70}:6379")


def test_a_run_keeps_its_processors_while_it_calls_the_receiver(monkeypatch):
    """Ray gives the processors of a task away whose main thread waits."""
    threads = []
    monkeypatch.setattr(ray_runs, "_called", lambda *call: threads.append(threading.current_thread()) or call)
    monkeypatch.setattr(ray_runs.worker, "train", lambda call, *_, **__: call("look", "run", 1))
    answer = ray_runs._train("receiver", "run", "root", "mark", "cpu", 1, False)
    assert answer == ("receiver", "look", "run", 1)
    assert threads
    assert threading.main_thread() not in threads
