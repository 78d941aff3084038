"""Runs written before a setting of another dataset was refused: they are resumed without it."""

import pytest

from kdcore.data import datasets
from kdcore.errors import UserError
from kdcore.events import Queued
from kdcore.runner import Runner
from kdcore.store import Store


def test_a_setting_that_had_no_effect_is_left_out_and_that_is_logged(tiny, tmp_path):
    runner = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)
    recipe = tiny(epochs=1)
    older = recipe.model_copy(update={"data": recipe.data.model_copy(update={"path": "/photos"})})  # of a folder
    with pytest.raises(UserError, match="only folder, huggingface and shards have this setting"):
        datasets.check(older.data)
    run_id = runner.store.create(older)
    with runner.store.writer(run_id) as writer:
        writer.append(Queued())
    runner.resume(run_id)
    assert runner.wait(run_id, 90)
    runner.close()
    state = runner.store.state(run_id)
    assert state.status == "finished", state.reason
    (warning,) = [note["text"] for note in state.notes if "left out" in note["text"]]
    assert (
        warning
        == "`data.path` is left out: it is '/photos', but only folder, huggingface and shards have this setting, so it had no effect."
    )
