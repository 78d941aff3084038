import json

import pytest
import torch

from kdcore.errors import UserError
from kdcore.recipe import RecipeError
from kdcore.runner import Runner
from kdcore.store import Store, forking
from kdcore.store.run_files import checkpoint
from tests.kdcore.runner.test_runner import until

SMALL = {  # many cheap steps in an epoch, of which each ends with an evaluation
    "data": {
        "name": "cues", "image_size": 32, "train_images": 40, "test_images": 10, "validation": 0.2,
        "batch_size": 4, "augment": ["flip", "crop"],
    },
    "teacher": {"model": "small_vit_patch4_32", "options": {"dim": 16, "depth": 1, "heads": 2}},
    "probes": {"images": 0},
}  # fmt: skip


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    made = Runner(Store(tmp_path_factory.mktemp("forking") / "runs"), device="cpu", threads=1)
    yield made
    made.close()


@pytest.fixture(scope="module")
def ended(runner, tiny):
    (run_id,) = runner.start(tiny(epochs=2, **SMALL))
    assert runner.wait(run_id, 60)
    return run_id


def files(store: Store, run_id: str) -> dict[str, bytes]:
    folder = store.folder(run_id)
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "folded" not in path.name}


def weights(store: Store, run_id: str) -> dict[str, torch.Tensor]:
    state = checkpoint.load(store.checkpoint(run_id))
    return {f"{name}.{key}": value for name in ("student", "twin") for key, value in state[name].items()}


def losses(store: Store, run_id: str, after: int) -> list[dict]:
    lines = map(json.loads, (store.folder(run_id) / "events.jsonl").read_text().splitlines())
    return [line["losses"] for line in lines if line["event"] == "StepEnded" and line["step"] > after]


def test_a_fork_that_changes_nothing_equals_its_parent_to_the_bit(runner, ended):
    store, before = runner.store, files(runner.store, ended)
    steps = sorted(saved["step"] for saved in store.state(ended).checkpoints)
    child = runner.fork(ended, step=steps[0])
    assert runner.wait(child, 60)
    parent, fork = store.state(ended), store.state(child)
    assert (fork.status, fork.parent, fork.forked_at, fork.fork_changes) == ("finished", ended, steps[0], {})
    assert fork.results == parent.results
    assert losses(store, child, steps[0]) == losses(store, ended, steps[0]) != []
    of_fork, of_parent = weights(store, child), weights(store, ended)
    assert of_fork.keys() == of_parent.keys()
    assert all(torch.equal(of_fork[name], of_parent[name]) for name in of_fork)
    assert files(store, ended) == before  # the parent is as it was


def test_a_changed_weight_counts_from_the_fork_on_and_is_said(runner, ended):
    store = runner.store
    first = min(saved["step"] for saved in store.state(ended).checkpoints)
    child = runner.fork(ended, {"terms.1.weight": 0.25, "name": "less kd"}, step=first)
    assert runner.wait(child, 60)
    fork = store.state(child)
    assert (fork.name, fork.fork_changes) == ("less kd", {"terms.1.weight": [1.0, 0.25]})
    steps, values = store.series(child)["weight/kd"]
    assert set(values.tolist()) == {0.25}
    assert steps.min() > first
    assert losses(store, child, first) != losses(store, ended, first)
    assert store.outcome(child).turned == ("terms.1.weight",)  # the recipe alone does not describe it: no claims


def test_a_run_that_trains_goes_on_beside_its_fork_from_now(runner, tiny):
    store = runner.store
    (parent,) = runner.start(tiny(epochs=400, **SMALL))
    until(lambda: store.state(parent).step >= 2)
    child = runner.fork(parent, {"terms.1.weight": 0.0})
    at = store.state(child).forked_at
    assert at >= 2
    until(lambda: store.state(child).step > at + 2)
    moved = store.state(parent).step
    until(lambda: store.state(parent).step > moved + 2)  # both move
    assert {store.state(run_id).status for run_id in (parent, child)} == {"running"}
    assert set(runner.active()) == {parent, child}
    runner.pause(parent)
    until(lambda: store.state(parent).status == "paused")
    before = store.state(child).step
    until(lambda: store.state(child).step > before + 2)  # a paused run does not hold the other
    runner.stop(parent)
    assert runner.wait(parent, 60)
    before = store.state(child).step
    until(lambda: store.state(child).step > before + 2)
    runner.stop(child)
    assert runner.wait(child, 60)


def test_turns_do_not_change_what_either_learns(runner, tiny, ended):
    store = runner.store
    (parent,) = runner.start(tiny(epochs=2, **SMALL))
    until(lambda: store.state(parent).step >= 1)
    child = runner.fork(parent)
    assert runner.wait(parent, 60)
    assert runner.wait(child, 60)
    alone = weights(store, ended)
    for run_id in (parent, child):
        found = weights(store, run_id)
        assert all(torch.equal(found[name], alone[name]) for name in alone)


def test_more_epochs_for_a_run_that_has_finished(runner, ended):
    child = runner.fork(ended, {"epochs": 3})
    assert runner.wait(child, 60)
    assert (runner.store.state(child).epoch, runner.store.state(child).status) == (3.0, "finished")
    with pytest.raises(RecipeError, match=r"begins after epoch 2, so `epochs` must be more than that"):
        runner.fork(ended)


def test_the_knobs_of_the_parent_hold_in_the_fork(runner, tiny):
    store = runner.store
    (parent,) = runner.start(tiny(epochs=400, **SMALL))
    until(lambda: store.state(parent).step >= 2)
    runner.set_knob(parent, "weight/kd", 0.5)
    until(lambda: store.state(parent).knobs)
    child = runner.fork(parent)
    assert store.state(child).knobs == {"weight/kd": 0.5}
    until(lambda: store.state(child).step > store.state(child).forked_at)
    assert set(store.series(child)["weight/kd"][1].tolist()) == {0.5}
    for run_id in (parent, child):
        runner.stop(run_id)
        assert runner.wait(run_id, 60)


def test_a_checkpoint_that_is_not_there_and_a_setting_that_cannot_change(runner, ended):
    store = runner.store
    there = runner.store.ids()
    with pytest.raises(UserError, match=r"has no checkpoint at step 1; it has some at step \d+, \d+\."):
        runner.fork(ended, step=1)
    first = min(saved["step"] for saved in store.state(ended).checkpoints)
    with pytest.raises(RecipeError, match="A fork cannot change `student.model`"):
        runner.fork(ended, {"student.model": "three_stage_cnn_32"}, step=first)
    assert store.ids() == there
    assert not [path for path in store.root.iterdir() if path.name.startswith(".")]


def test_a_family_is_a_tree(runner, ended):
    store = runner.store
    last = max(saved["step"] for saved in store.state(ended).checkpoints)
    one = runner.fork(ended, {"epochs": 3}, step=last)
    assert runner.wait(one, 60)
    two = runner.fork(one, {"epochs": 4})
    assert runner.wait(two, 60)
    assert forking.family(store, two) == ended
    family = [(depth, state.id) for depth, state in forking.tree(store.states(), two)]
    assert family[0] == (0, ended)
    assert family[family.index((1, one)) + 1] == (2, two)
    assert family == [(depth, state.id) for depth, state in forking.tree(store.states(), ended)]
    store.delete(one)
    assert forking.family(store, two) == two
    assert [(depth, state.id) for depth, state in forking.tree(store.states(), two)] == [(0, two)]


def test_terms_are_removed_and_added_in_a_fork(runner, ended):
    store = runner.store
    first = min(saved["step"] for saved in store.state(ended).checkpoints)
    child = runner.fork(ended, step=first, add=[{"method": "sp", "weight": 2.0}], remove=["attention"])
    assert runner.wait(child, 60)
    fork = store.state(child)
    assert (fork.status, fork.reason) == ("finished", "")
    assert fork.fork_changes == {"terms.2.weight": [0.1, 0.0], "terms.3": [None, "sp with weight 2"]}
    series = store.series(child)
    assert set(series["weight/sp"][1].tolist()) == {2.0}
    assert set(series["weight/attention"][1].tolist()) == {0.0}


@pytest.mark.parametrize(
    "term, why",
    [
        (
            {"method": "fitnets", "options": {"pairs": [[2, 0]]}},
            "cannot add 'fitnets': it has parameters or a memory of its own",
        ),
        (
            {"method": "crd", "name": "bank", "options": {"negatives": 16}},
            "cannot add 'bank': it has parameters or a memory",
        ),
        ({"method": "sp", "adapt": {"watch": "kd"}}, "cannot add 'sp' with `adapt`"),
        ({"method": "sq"}, "sq"),
    ],
)
def test_a_term_that_needs_a_state_is_not_added(runner, ended, term, why):
    before = runner.store.ids()
    with pytest.raises(UserError, match=why):
        runner.fork(ended, {"epochs": 3}, add=[term])
    assert runner.store.ids() == before
