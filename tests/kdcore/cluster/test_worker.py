"""A run on a worker, without Ray: its files arrive in the store, and where the worker is lost another one goes on."""

import json

import pytest

from kdcore.cluster import worker
from kdcore.cluster.receiver import Receiver, Superseded
from kdcore.errors import UserError
from kdcore.runner import commands
from kdcore.store import Store
from kdcore.store.run_files import batches
from kdcore.store.run_files import commands as command_files

MARK = ".cluster-test"


class Lost(Exception):
    """The worker was lost."""


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "PERIOD", 0.02)
    monkeypatch.setattr(worker.scratch, "system_folder", lambda: tmp_path / "worker")
    (tmp_path / "worker").mkdir()
    return Store(tmp_path / "runs")


@pytest.fixture
def receiver(store):
    made = Receiver(str(store.root))
    yield made
    made.close()


def queued(store, receiver, recipe) -> str:
    run_id = store.create(recipe)
    receiver.queue(run_id)
    return run_id


def trained(store, receiver, run_id, *, call=None, send=True) -> str:
    def direct(name, *arguments):
        return getattr(receiver, name)(*arguments)

    return worker.train(call or direct, run_id, str(store.root), MARK, worker="ann", device="cpu", threads=1, send=send)


def losses(store, run_id) -> list[float]:
    return store.series(run_id)["loss/student/total"][1].tolist()


def kinds(store, run_id) -> list[str]:
    return [json.loads(line)["event"] for line in (store.folder(run_id) / "events.jsonl").read_text().splitlines()]


def test_what_a_worker_trains_in_a_copy_arrives_in_the_store(store, receiver, tiny):
    run_id = queued(store, receiver, tiny())
    assert store.state(run_id).status == "queued"  # alive, though no worker has it
    seen = []

    def call(name, *arguments):
        seen.append((name, store.state(run_id).status))
        result = getattr(receiver, name)(*arguments)
        state = store.state(run_id)  # files come before the events that name them
        assert all(
            (store.folder(run_id) / saved["file"]).is_file() for saved in (*state.probes, *state.checkpoints[-1:])
        )
        return result

    assert trained(store, receiver, run_id, call=call) == "finished"
    assert ("append", "running") in seen or ("look", "running") in seen
    state = store.state(run_id)
    assert (state.status, state.damage) == ("finished", "")
    assert store.checkpoint(run_id) is not None
    assert store.test_predictions(run_id) is not None
    assert store.probe(run_id, state.probes[0]["file"])["images"].shape == (2, 16, 16, 3)
    assert store.snapshots(run_id)
    assert store.environment(run_id)
    assert not (store.folder(run_id) / "writer.beat").exists()
    assert list((worker_copies(store)).iterdir()) == []


def worker_copies(store):
    return store.root.parent / "worker" / worker.COPIES


def test_a_run_whose_worker_is_lost_goes_on_from_its_checkpoint_with_the_same_numbers(store, receiver, tiny):
    recipe = tiny(epochs=3, checkpoint_every=1, twin=False)
    whole = queued(store, receiver, recipe)
    assert trained(store, receiver, whole) == "finished"
    run_id = queued(store, receiver, recipe)

    def dies(name, *arguments):
        if name in ("append", "look") and len(store.state(run_id).checkpoints) == 2:
            raise Lost
        return getattr(receiver, name)(*arguments)

    with pytest.raises(Lost):
        trained(store, receiver, run_id, call=dies)
    state = store.state(run_id)
    assert (state.status, state.damage) == ("running", "")  # it waits for another worker
    assert trained(store, receiver, run_id) == "finished"
    assert losses(store, run_id) == losses(store, whole)
    assert store.state(run_id).results["student"]["nll"] == store.state(whole).results["student"]["nll"]
    (note,) = (note["text"] for note in store.state(run_id).notes if "was lost" in note["text"])
    assert note.startswith("The worker on ann was lost at step ")
    assert note.endswith("The run goes on from its last checkpoint, on ann.")
    assert len(store.checkpoints(run_id)) <= 3


def test_where_the_store_s_folder_is_seen_the_worker_writes_into_it(store, receiver, tiny):
    run_id = queued(store, receiver, tiny(epochs=1))
    (store.root / MARK).touch()
    called = []

    def call(name, *arguments):
        called.append(name)
        return getattr(receiver, name)(*arguments)

    assert trained(store, receiver, run_id, call=call, send=False) == "finished"
    assert set(called) <= {"begin", "look", "end"}
    assert store.state(run_id).status == "finished"


def test_a_lost_worker_that_comes_back_is_refused(store, receiver, tiny):
    run_id = queued(store, receiver, tiny())
    first = receiver.begin(run_id, "ann", False)
    second = receiver.begin(run_id, "bob", False)
    assert (first.attempt, second.attempt) == (1, 2)
    size = (store.folder(run_id) / "events.jsonl").stat().st_size
    for late in (
        lambda: receiver.append(run_id, 1, "events.jsonl", size, b"{}\n"),
        lambda: receiver.put(run_id, 1, "test.npz", 0, b"", True),
        lambda: receiver.look(run_id, 1),
        lambda: receiver.end(run_id, 1),
    ):
        with pytest.raises(Superseded, match="goes on elsewhere, or was ended: this attempt at it is over"):
            late()
    assert receiver.look(run_id, 2) == ""
    with pytest.raises(UserError, match="and the next ones begin at 0"):
        receiver.append(run_id, 2, "events.jsonl", 0, b"{}\n")


def test_files_come_in_parts_and_only_those_of_the_run(store, receiver, tiny):
    run_id = queued(store, receiver, tiny())
    receiver.begin(run_id, "ann", False)
    path = store.folder(run_id) / "checkpoints" / "00000007.safetensors"
    receiver.put(run_id, 1, "checkpoints/00000007.safetensors", 0, b"ab", False)
    assert not path.exists()
    receiver.put(run_id, 1, "checkpoints/00000007.safetensors", 2, b"cd", True)
    assert path.read_bytes() == b"abcd"
    assert receiver.read(run_id, "checkpoints/00000007.safetensors", 1) == b"bcd"
    for name in ("../mine.txt", "/etc/passwd", "checkpoints/../x", "a/b", ""):
        with pytest.raises(UserError, match="is not the name of a file of a run"):
            receiver.put(run_id, 1, name, 0, b"", True)


def test_a_run_that_waits_is_stopped_at_once_and_one_that_trains_after_its_step(store, receiver, tiny):
    waiting = queued(store, receiver, tiny())
    assert receiver.stop(waiting, "Enough.")
    assert (store.state(waiting).status, store.state(waiting).reason) == ("stopped", "Enough.")
    assert trained(store, receiver, waiting) == "stopped"  # a task that began at that moment
    run_id = queued(store, receiver, tiny(epochs=500))

    def call(name, *arguments):
        if name == "look" and store.state(run_id).step >= 2:
            assert not receiver.stop(run_id, "Enough.")
        return getattr(receiver, name)(*arguments)

    assert trained(store, receiver, run_id, call=call) == "stopped"
    state = store.state(run_id)
    assert (state.status, state.reason) == ("stopped", "Enough.")
    assert store.checkpoint(run_id)


@pytest.mark.parametrize("send", [True, False], ids=["sent", "shared"])
def test_commands_that_the_app_leaves_beside_a_run_reach_its_worker(store, receiver, tiny, monkeypatch, send):
    monkeypatch.setattr(commands, "LOOK", 0.0)
    run_id = queued(store, receiver, tiny(epochs=500, twin=False))
    (store.root / MARK).touch()
    given = iter(
        [
            ("set_knob", {"knob": "weight/kd", "factor": 0.5, "by": "ann"}),
            ("set_knob", {"knob": "x", "factor": 1}),
            ("pause", {"folder": "x", "name": "stop"}),
            ("pause", {}),
        ]
    )
    left = []

    def call(name, *arguments):
        state = store.state(run_id)
        if name == "look" and state.step >= 2:
            if following := next(given, None):
                command_files.send(store.folder(run_id), *following)
            elif state.status == "paused" and not left:
                left.append(state.knobs)
                command_files.send(store.folder(run_id), "stop", {"reason": "Enough."})
        return getattr(receiver, name)(*arguments)

    assert trained(store, receiver, run_id, call=call, send=send) == "stopped"
    state = store.state(run_id)
    assert (state.status, state.reason) == ("stopped", "Enough.")
    assert left == [{"weight/kd": 0.5}]
    assert any(
        note["text"].startswith("A command of another process was not followed: 'x' is not a knob of this run.")
        for note in state.notes
    )


def test_a_run_without_a_worker_has_failed_and_resumes(store, receiver, tiny):
    run_id = queued(store, receiver, tiny(epochs=1))
    receiver.begin(run_id, "ann", False)
    receiver.lost(run_id, "Its worker was lost 4 times.")
    assert (store.state(run_id).status, store.state(run_id).reason) == ("failed", "Its worker was lost 4 times.")
    receiver.queue(run_id)
    assert trained(store, receiver, run_id) == "finished"


def test_a_recipe_that_the_worker_cannot_run_fails_in_words(store, receiver, tiny):
    run_id = queued(store, receiver, tiny(teacher={"weights": "/not/on/this/machine.safetensors"}))
    assert trained(store, receiver, run_id) == "failed"
    assert "There is no weight file /not/on/this/machine.safetensors" in store.state(run_id).reason


def test_the_run_whose_networks_are_used_is_fetched_too(store, receiver, tiny):
    teacher = queued(store, receiver, tiny(epochs=1, twin=False))
    assert trained(store, receiver, teacher) == "finished"
    student = queued(store, receiver, tiny(epochs=1, twin=False, teacher={"weights": f"run:{teacher}/student"}))
    assert trained(store, receiver, student) == "finished"


def test_a_worker_writes_no_file_of_the_store_and_leaves_no_gaps(store, receiver, tiny):
    run_id = queued(store, receiver, tiny())
    attempt = receiver.begin(run_id, "ann", False).attempt
    before = (store.folder(run_id) / "events.jsonl").read_bytes()
    for name in ("events.jsonl", "folded.json", "writer.lock", "writer.beat", "label.json"):
        with pytest.raises(UserError, match=f"{name} is written here alone"):
            receiver.put(run_id, attempt, name, 0, b"x", True)
    for offset in (-1, 5, 10**15):
        with pytest.raises(UserError, match="has 0 bytes here, and the next ones begin at"):
            receiver.append(run_id, attempt, batches.FILE, offset, b"x")
        with pytest.raises(UserError, match="has 0 bytes here, and the next ones begin at"):
            receiver.put(run_id, attempt, "probes/a.npz", offset, b"x", False)
    with pytest.raises(UserError, match="is no file that grows"):
        receiver.append(run_id, attempt, "recipe.yaml", 0, b"x")
    with pytest.raises(UserError, match="came without the end of a line"):
        receiver.append(run_id, attempt, "events.jsonl", len(before), b'{"event": "Noted"')
    assert (store.folder(run_id) / "events.jsonl").read_bytes() == before


def test_events_of_a_worker_that_are_none_are_left_out_and_said(store, receiver, tiny):
    run_id = queued(store, receiver, tiny())
    attempt = receiver.begin(run_id, "ann", False).attempt
    odd = [
        b"no json",
        b"[]",
        b'{"event": "Unknown"}',
        b'{"event": "StepEnded", "step": "many"}',
        b"[" * 50_000,
        b'{"event": "Noted", "text": 5}',
    ]
    size = (store.folder(run_id) / "events.jsonl").stat().st_size
    receiver.append(run_id, attempt, "events.jsonl", size, b"\n".join(odd) + b"\n")
    state = store.state(run_id)
    assert state.status == "queued"
    assert state.damage
