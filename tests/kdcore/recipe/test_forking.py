import pytest

from kdcore.recipe import RecipeError, forking


def test_weights_temperatures_rates_and_length_may_change(tiny):
    changes = {
        "terms.1.weight": 1.8,
        "terms.1.temperature": {"linear": [4.0, 1.0]},
        "optimizer.lr": 0.01,
        "lr.shape": "constant",
        "epochs": 5,
        "data.augment": [],
    }
    parent = tiny()
    child = forking.forked(parent, changes, epoch=1.0)
    assert forking.changed(parent, child) == {
        "data.augment": (("flip", "crop"), ()),
        "terms.1.weight": (1.0, 1.8),
        "terms.1.temperature": (2.0, {"linear": [4.0, 1.0]}),
        "optimizer.lr": (0.001, 0.01),
        "lr.shape": ("cosine", "constant"),
        "epochs": (2, 5),
    }


def test_a_name_is_no_change(tiny):
    child = forking.forked(tiny(), {"name": "another"}, epoch=1.0)
    assert child.name == "another"
    assert forking.changed(tiny(), child) == {}


@pytest.mark.parametrize(
    "key, value",
    [
        ("student.model", "three_stage_cnn_32"),
        ("data.batch_size", 8),
        ("data.labels", 50),
        ("twin", False),
        ("optimizer.name", "sgd"),
        ("terms.1.options", {"loss": "mse_centered"}),
        ("terms", [{"method": "ce"}]),
        ("seeds", [1]),
    ],
)
def test_what_the_state_depends_on_cannot_change(tiny, key, value):
    with pytest.raises(RecipeError, match=rf"A fork cannot change `{key}.*Start a new run for that"):
        forking.forked(tiny(), {key: value}, epoch=1.0)


def test_a_fork_must_have_steps_left(tiny):
    with pytest.raises(RecipeError, match="begins after epoch 2, so `epochs` must be more than that, not 2"):
        forking.forked(tiny(), {}, epoch=2.0)
    assert forking.forked(tiny(), {"epochs": 3}, epoch=2.0).epochs == 3
