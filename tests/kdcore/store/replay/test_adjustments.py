import pytest

from kdcore.events import CheckpointSaved, KnobTurned, RunForked
from kdcore.store import Store
from kdcore.store.replay.adjustments import Adjustments
from tests.kdcore.store.test_store import started, step_ended, written


def turn(factor: float, *, step=10, time=0.0, knob="weight/kd", at=0.9, before=1.0, by="", undo=False) -> dict:
    values = {"old": at * before, "new": at * factor}
    return {"step": step, "knob": knob, "factor": factor, "values": values, "by": by, "undo": undo, "time": time}


def test_a_change_is_said_with_the_resulting_values():
    found = Adjustments()
    assert (
        found.take(turn(2.0, step=150), 2.5)
        == "The weight of kd was changed from 0.9 to 1.8 by a user, after step 150."
    )
    (change,) = found.changes
    assert change["words"] == "Weight of kd: 0.9 → 1.8"
    assert (change["before"], change["factor"], change["old"], change["new"]) == (1.0, 2.0, 0.9, 1.8)
    assert found.take(turn(0.5, knob="learning_rate", at=0.004, by="Ada", time=9), 2.5) == (
        "The learning rate was changed from 0.004 to 0.002 by Ada, after step 10."
    )
    found.take(turn(2.0, knob="temperature/kd", at=4.0, time=20), 3.0)
    assert found.changes[-1]["words"] == "Temperature of kd: 4 → 8"


def test_a_run_of_an_earlier_version_is_said_in_factors():
    found = Adjustments()
    found.take(turn(2.0) | {"values": {}}, 1.0)
    assert found.changes[-1]["words"] == "Weight of kd: × 1 → × 2"


def test_an_undo_takes_back_one_change_at_a_time():
    found = Adjustments()
    assert found.undoable() == {}
    found.take(turn(2.0, time=0), 1.0)
    found.take(turn(0.5, knob="learning_rate", at=0.004, time=10), 1.0)
    assert found.undoable() == {"knob": "learning_rate", "factor": 1.0, "words": "Learning rate: 0.002 → 0.004"}
    said = found.take(turn(1.0, knob="learning_rate", at=0.004, before=0.5, time=11, undo=True), 1.0)
    assert said == "The learning rate was set back from 0.002 to 0.004 by a user, after step 10."
    assert found.undoable()["words"] == "Weight of kd: 1.8 → 0.9"
    found.take(turn(1.0, before=2.0, time=12, undo=True), 1.0)
    assert found.undoable() == {}
    assert [change["undo"] for change in found.changes] == [False, False, True, True]
    assert found.factors == {"weight/kd": 1.0, "learning_rate": 1.0}


def test_a_dragged_slider_is_one_change():
    found = Adjustments()
    for time, factor, before in ((0, 1.2, 1.0), (1, 1.6, 1.2), (2, 2.0, 1.6)):
        found.take(turn(factor, time=time, before=before), 1.0)
    assert [change["words"] for change in found.changes] == ["Weight of kd: 0.9 → 1.8"]
    assert found.undoable()["factor"] == 1.0
    found.take(turn(1.0, time=2.5, before=2.0, undo=True), 1.0)  # an undo is a change of its own
    found.take(turn(3.0, time=3, before=1.0, by="another"), 1.0)
    assert len(found.changes) == 3


def test_a_resumed_run_forgets_what_came_after_its_checkpoint():
    found = Adjustments()
    found.take(turn(2.0, step=10), 1.0)
    found.take(turn(1.0, step=25, time=9, before=2.0, undo=True), 1.0)
    found.forget_after(20, {"weight/kd": 2.0})
    assert found.factors == {"weight/kd": 2.0}
    assert [change["step"] for change in found.changes] == [10]
    assert found.undoable()["factor"] == 1.0
    again = Adjustments.from_plain(found.plain())
    assert (again.factors, again.changes, again.undoable()) == (found.factors, found.changes, found.undoable())


def test_the_state_of_a_run_has_the_values_in_use(tmp_path):
    store = Store(tmp_path)
    run_id = written(store, started(), step_ended(10, 2.0))
    before = dict(store.state(run_id).values)
    assert set(before) == {"learning_rate", "weight/kd", "temperature/kd"}
    turned = KnobTurned(10, "weight/kd", 2.0, {"old": before["weight/kd"], "new": 2 * before["weight/kd"]}, "Ada")
    with store.writer(run_id) as writer:
        writer.append(turned)
    state = store.state(run_id)
    assert state.values == before | {"weight/kd": 2 * before["weight/kd"]}
    assert state.knobs == {"weight/kd": 2.0}
    assert (state.undoable["knob"], state.undoable["factor"]) == ("weight/kd", 1.0)
    assert state.knob_changes[0]["by"] == "Ada"
    assert state.notes[-1]["text"].endswith("by Ada, after step 10.")


@pytest.mark.parametrize("resumed", [False, True])
def test_a_fork_begins_with_the_factors_of_its_parent_and_nothing_to_undo(tmp_path, resumed):
    store = Store(tmp_path)
    events = [
        RunForked(10, 0.5, "parent", {}, {"weight/kd": 2.0}),
        CheckpointSaved(10, 0.5, "checkpoints/00000010.safetensors"),
    ]
    run_id = written(store, *events, *([started(10, resumed=True)] if resumed else []))
    assert store.state(run_id).knobs == {"weight/kd": 2.0}
    assert store.state(run_id).undoable == {}


def test_a_run_gives_its_recipe_with_the_changes_made_meanwhile(tmp_path):
    store = Store(tmp_path)
    run_id = written(store, started(), step_ended(30), KnobTurned(30, "learning_rate", 0.5, {"old": 1e-3, "new": 5e-4}))
    found = store.state(run_id).recipe_with_changes(store.recipe(run_id))
    assert found.lr.shape == {"scaled": {"schedule": {"cosine": [1, 0]}, "factors": [[1.0, 1.0], [2.5, 0.5]]}}
