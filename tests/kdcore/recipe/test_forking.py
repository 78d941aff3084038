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


def test_augmentation_mixtures_and_averages_may_change(tiny):
    changes = {"data.mixup": 0.2, "data.resized_crop": {"scale": [0.5, 1]}, "data.erasing": 0.1, "optimizer.ema": 0.9}
    first = forking.forked(tiny(), changes, epoch=1.0)
    again = forking.forked(first, {"data.resized_crop.scale": [0.25, 1]}, epoch=1.0)
    crop = {"data.resized_crop.scale", "data.resized_crop.ratio"}
    assert set(forking.changed(tiny(), first)) == {*changes, *crop} - {"data.resized_crop"}
    assert set(forking.changed(first, again)) == {"data.resized_crop.scale"}


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


def test_a_removed_term_has_weight_0_from_the_fork_on(tiny):
    child = forking.forked(tiny(), {}, epoch=1.0, remove=["attention"])
    assert forking.changed(tiny(), child) == {"terms.2.weight": (0.1, 0.0)}
    with pytest.raises(RecipeError, match="The run has no term 'sp' to remove. Its terms: ce, kd, attention."):
        forking.forked(tiny(), {}, epoch=1.0, remove=["sp"])
    with pytest.raises(RecipeError, match="Without these terms the fork would learn nothing: leave one of them"):
        forking.forked(tiny(), {}, epoch=1.0, remove=["ce", "kd", "attention"])


def test_a_term_is_added_behind_the_others_and_said_in_words(tiny):
    child = forking.forked(tiny(), {"terms.0.weight": 0.2}, epoch=1.0, add=[{"method": "sp", "weight": 3.0}])
    assert [term.label for term in child.terms] == ["ce", "kd", "attention", "sp"]
    assert forking.changed(tiny(), child) == {"terms.0.weight": (0.5, 0.2), "terms.3": (None, "sp with weight 3")}
    with pytest.raises(RecipeError, match="two terms have the name 'kd'"):
        forking.forked(tiny(), {}, epoch=1.0, add=[{"method": "kd"}])


def test_a_list_with_fewer_terms_says_how_to_remove_one(tiny):
    with pytest.raises(
        RecipeError, match=r"A fork cannot change `terms`.*; to leave out a term, remove it \(its weight becomes 0\)"
    ):
        forking.forked(tiny(), {"terms": [term.model_dump() for term in tiny().terms[:2]]}, epoch=1.0)


def test_stretched_schedules_are_those_of_the_new_length(tiny):
    parent = tiny(lr={"shape": {"cosine": [1.0, 0.2]}})
    child = forking.forked(parent, {"epochs": 4}, epoch=1.0)
    assert child.lr.schedule(4)(0.5) == pytest.approx(0.6)  # halfway: the parent had 0.2 there
    assert forking.changed(parent, child) == {"epochs": (2, 4)}


def test_continued_schedules_are_the_parent_s_up_to_its_end_and_then_their_last_value(tiny):
    terms = [
        {"method": "ce"},
        {"method": "kd", "weight": {"linear": [1.0, 0.5]}, "temperature": {"piecewise": [[1, 4.0], [2, 2.0]]}},
    ]
    parent = tiny(lr={"shape": {"cosine": [1.0, 0.2]}, "warmup_epochs": 1}, terms=terms)
    child = forking.forked(parent, {"epochs": 4}, epoch=1.5, schedules="continued")
    for step in range(11):  # of ten in the parent, of twenty in the fork
        assert child.lr.schedule(4)(step / 20) == pytest.approx(parent.lr.schedule(2)(step / 10))
    assert [child.lr.schedule(4)(p) for p in (0.6, 0.99)] == pytest.approx([0.2, 0.2])
    assert child.terms[1].weight == {"held": {"schedule": {"linear": [1.0, 0.5]}, "epochs": 2}}
    assert child.terms[1].temperature == parent.terms[1].temperature  # its epochs are counted: nothing stretches it
    again = forking.forked(child, {"epochs": 6}, epoch=2.0, schedules="continued")
    assert again.terms[1].weight == child.terms[1].weight


def test_a_learning_rate_that_ended_at_0_is_not_continued(tiny):
    with pytest.raises(
        RecipeError, match="ends at 0, so further epochs .* let the schedules be stretched, or set another one"
    ):
        forking.forked(tiny(), {"epochs": 4}, epoch=2.0, schedules="continued")
    child = forking.forked(tiny(), {"epochs": 4, "lr.shape": "constant"}, epoch=2.0, schedules="continued")
    assert child.lr.shape == "constant"
    assert forking.forked(tiny(), {}, epoch=1.0, schedules="continued") == tiny()
