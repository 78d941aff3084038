import numpy as np
import pytest

from kdcore.recipe import DataRecipe
from kdcore.robustness import CLEAN, Condition, assess, samples
from kdcore.robustness import assessment as whole
from kdcore.robustness import live as live_module
from kdcore.robustness.live import Live


@pytest.fixture
def sample(store):
    return samples.load(DataRecipe(name="cues", image_size=32), 30)


def test_a_strength_gives_what_an_evaluation_gives(sample, network):
    model, condition = network(), Condition("patch_scramble", 3)
    found = Live(sample).read({"it": model}, {"it": "weights"}, condition)
    *_, last = assess({"it": model}, sample.split, [CLEAN, condition])
    for one, other in ((found.outcomes, condition), (found.clean, CLEAN)):
        np.testing.assert_array_equal(one["it"].predicted, last.outcomes["it"][other].predicted)
    assert found.accuracy["it"].mean == pytest.approx(last.outcomes["it"][condition].right.mean())
    assert found.images.shape == sample.split.images.shape


def test_what_was_computed_is_not_computed_again(sample, network, monkeypatch):
    calls = []
    of_batch = whole.of_batch
    monkeypatch.setattr(
        whole, "of_batch", lambda networks, *rest: calls.append(list(networks)) or of_batch(networks, *rest)
    )
    monkeypatch.setattr(live_module, "PART", 30)
    live, models = Live(sample), {"one": network(seed=1), "two": network(seed=2)}
    keys = {"one": "a", "two": "b"}
    for strength in (2, 3, 2):
        live.read(models, keys, Condition("patch_scramble", strength))
    assert calls == [["one"], ["two"]] * 3  # clean, 2 and 3
    live.read(models, keys | {"two": "other weights"}, Condition("patch_scramble", 2))
    assert calls[6:] == [["two"], ["two"]]


def test_steps_are_a_few_images_long_and_what_they_computed_is_read(sample, network, monkeypatch):
    monkeypatch.setattr(live_module, "PART", 12)
    live, models, keys, condition = (
        Live(sample),
        {"it": network()},
        {"it": "weights"},
        Condition("fourier_cue_conflict", 1),
    )
    expected = Live(sample).read(models, keys, condition)
    assert len(list(live.in_steps(models, keys, condition))) == 3  # 12, 12 and 6 of 30 images
    assert list(live.in_steps(models, keys, condition)) == []
    list(live.in_steps(models, keys, CLEAN))
    monkeypatch.setattr(whole, "of_batch", None)
    found = live.read(models, keys, condition)
    for one, other in ((found.outcomes, expected.outcomes), (found.clean, expected.clean)):
        np.testing.assert_allclose(one["it"].log_probabilities, other["it"].log_probabilities, atol=2e-3)
        np.testing.assert_array_equal(one["it"].targets, sample.split.targets)
    np.testing.assert_array_equal(found.outcomes["it"].textures, expected.outcomes["it"].textures)


def test_work_that_is_left_off_in_the_middle_is_done_when_it_is_needed(sample, network):
    live, models, keys, condition = Live(sample), {"it": network()}, {"it": "weights"}, Condition("patch_scramble", 2)
    left = live.in_steps(models, keys, condition)
    next(left)
    assert live.read(models, keys, condition).outcomes["it"].count == 30


def test_a_cue_conflict_has_a_shape_bias(sample, network):
    found = Live(sample).read({"it": network()}, {"it": "weights"}, Condition("fourier_cue_conflict", 1))
    assert set(found.shape_bias) == {"it"}


def test_sets_with_images_of_their_own_have_no_slider(sample, network):
    with pytest.raises(ValueError, match="cues_conflict has images of its own at one strength; choose another set"):
        Live(sample).read({"it": network()}, {"it": "weights"}, Condition("cues_conflict", 1))


def test_a_strength_without_a_meaning_is_refused(sample, network):
    with pytest.raises(ValueError, match="The grid of scrambled patches"):
        Live(sample).read({"it": network()}, {"it": "weights"}, Condition("patch_scramble", 2.5))
