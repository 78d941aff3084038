"""A teacher whose outputs are not finite is refused in words before training."""

import pytest
import torch

from kdcore import models
from kdcore.checks import predictions
from kdcore.checks.predictions import predict
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.recipe import ModelRecipe
from kdcore.runner import Runner
from kdcore.setup import build
from kdcore.store import Store


def images() -> Split:
    pixels = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8)
    return Split("validation", ("a", "b"), pixels, torch.arange(6) % 2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_outputs_that_are_not_finite_are_counted_and_refused(value):
    teacher = models.build(ModelRecipe(model="three_stage_cnn_16"), ("a", "b"), 32)
    assert torch.isfinite(predict(teacher, images()).logits).all()
    with torch.no_grad():
        teacher.net.get_classifier().weight[:] = value
        teacher.net.get_classifier().bias[:] = value
    with pytest.raises(UserError, match=r"infinite or not a number for 6 of 6 images.*choose other weights\."):
        predict(teacher, images())


def test_the_same_teacher_on_the_same_images_is_computed_once(monkeypatch):
    teacher = models.build(ModelRecipe(model="three_stage_cnn_16"), ("a", "b"), 32)
    computed, inner = [], predictions.logits
    monkeypatch.setattr(predictions, "logits", lambda *given, **more: computed.append(1) or inner(*given, **more))
    shown = images()
    first, again = predict(teacher, shown), predict(teacher, shown)
    assert (len(computed), torch.equal(first.logits, again.logits)) == (1, True)
    predict(teacher, images())  # others
    with torch.no_grad():
        teacher.net.get_classifier().bias[0] += 1
    assert not torch.equal(predict(teacher, shown).logits, first.logits)
    assert len(computed) == 3


def test_the_run_ends_with_it_before_its_first_step_even_where_the_teacher_is_accepted(tmp_path, tiny, monkeypatch):
    placed = models.placed

    def damaged(model, device):
        with torch.no_grad():
            model.net.get_classifier().weight.fill_(float("nan"))
        return placed(model, device)

    monkeypatch.setattr(build.models, "placed", damaged)
    runner = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)
    try:
        (run_id,) = runner.start(tiny())
        assert runner.wait(run_id, 60)
        state = runner.store.state(run_id)
        assert (state.status, state.steps) == ("failed", 0)
        assert state.reason.startswith("The teacher's outputs are infinite or not a number for ")
    finally:
        runner.close()
