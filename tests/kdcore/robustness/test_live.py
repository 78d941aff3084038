import numpy as np
import pytest

from kdcore.recipe import DataRecipe
from kdcore.robustness import CLEAN, Condition, assess, samples
from kdcore.robustness import assessment as whole
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
    live, models = Live(sample), {"one": network(seed=1), "two": network(seed=2)}
    keys = {"one": "a", "two": "b"}
    for strength in (2, 3, 2):
        live.read(models, keys, Condition("patch_scramble", strength))
    assert calls == [["one", "two"]] * 3  # clean, 2 and 3
    live.read(models, keys | {"two": "other weights"}, Condition("patch_scramble", 2))
    assert calls[3:] == [["two"], ["two"]]


def test_a_cue_conflict_has_a_shape_bias(sample, network):
    found = Live(sample).read({"it": network()}, {"it": "weights"}, Condition("fourier_cue_conflict", 1))
    assert set(found.shape_bias) == {"it"}


def test_sets_with_images_of_their_own_have_no_slider(sample, network):
    with pytest.raises(ValueError, match="cues_conflict has images of its own at one strength; choose another set"):
        Live(sample).read({"it": network()}, {"it": "weights"}, Condition("cues_conflict", 1))


def test_a_strength_without_a_meaning_is_refused(sample, network):
    with pytest.raises(ValueError, match="The grid of scrambled patches"):
        Live(sample).read({"it": network()}, {"it": "weights"}, Condition("patch_scramble", 2.5))
