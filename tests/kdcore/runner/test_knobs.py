import pytest

from kdcore.errors import UserError
from kdcore.runner import Runner
from kdcore.store import Store
from tests.kdcore.runner.test_runner import until


def test_knobs_are_turned_undone_and_reset_while_a_run_trains(tmp_path, tiny):
    store = Store(tmp_path / "runs")
    runner = Runner(store, device="cpu", threads=1)
    try:
        small = {**tiny().data.model_dump(), "train_images": 40, "batch_size": 4}
        (run_id,) = runner.start(tiny(epochs=50, data=small, lr={"shape": "constant"}))
        knobs = ("learning_rate", "weight/ce", "weight/kd", "weight/attention", "temperature/kd")
        assert runner.knobs(run_id) == knobs
        until(lambda: store.state(run_id).values)
        with pytest.raises(
            UserError, match="There is nothing to undo: no setting of run .* was changed since it began."
        ):
            runner.undo_knob(run_id)
        runner.set_knob(run_id, "temperature/kd", 1.5, by="Ada")
        until(lambda: store.state(run_id).values["temperature/kd"] == 3.0)
        runner.set_knob(run_id, "weight/kd", 0.5)
        until(lambda: store.state(run_id).values["weight/kd"] == 0.5)
        runner.undo_knob(run_id)
        until(lambda: store.state(run_id).knobs["weight/kd"] == 1.0)
        runner.set_knob(run_id, "learning_rate", 0.5)
        runner.reset_knobs(run_id)
        until(lambda: set(store.state(run_id).knobs.values()) == {1.0})
        runner.stop(run_id)
        assert runner.wait(run_id, 30)
    finally:
        runner.close()
    words = [change["words"] for change in store.state(run_id).knob_changes]
    assert words[:3] == ["Temperature of kd: 2 → 3", "Weight of kd: 1 → 0.5", "Weight of kd: 0.5 → 1"]
    assert "Temperature of kd: 3 → 2" in words[3:]
    _, values = store.series(run_id)["temperature/kd"]
    assert {2.0, 3.0} == set(values.tolist())
    assert store.state(run_id).knob_changes[0]["by"] == "Ada"


@pytest.mark.parametrize(
    "knob, factor, why",
    [
        ("temperature/kd", 0.0, "temperature/kd takes a factor from 0.05 to 100, not 0."),
        ("weight/kd", 101.0, "weight/kd takes a factor from 0 to 100, not 101."),
        ("learning_rate", float("nan"), "learning_rate takes a factor from 0 to 100, not nan."),
        ("temperature/ce", 2.0, "'temperature/ce' is not a knob of this run. Its knobs: learning_rate, weight/ce, "),
    ],
)
def test_a_factor_out_of_range_is_refused(tmp_path, tiny, knob, factor, why):
    runner = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)
    try:
        run_id = runner.store.create(tiny())
        with pytest.raises(UserError) as refused:
            runner.set_knob(run_id, knob, factor)
    finally:
        runner.close()
    assert str(refused.value).startswith(why)
