import dataclasses

import numpy as np
import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import Perturbed, making
from kdcore.recipe import DataRecipe
from kdcore.robustness import CLEAN, Condition, assess, samples
from kdcore.robustness.assessment import of_batch, packed
from kdcore.training import evaluation as plain

SCRAMBLED = Condition("patch_scramble", 4)


@pytest.fixture
def split(store):
    return samples.load(DataRecipe(name="cues", image_size=32), 30).split


def last(steps):
    *_, found = steps
    return found


def test_clean_outcomes_are_the_networks_log_probabilities(network, split):
    model = network()
    outcome = last(assess({"it": model}, split, [CLEAN])).outcomes["it"][CLEAN]
    wanted = plain.logits(model, split).log_softmax(dim=1).numpy()
    np.testing.assert_allclose(outcome.log_probabilities, wanted, rtol=2e-3, atol=1e-3)
    np.testing.assert_array_equal(outcome.predicted, wanted.argmax(axis=1))
    np.testing.assert_array_equal(outcome.targets, split.targets)
    assert outcome.textures is None


def test_each_batch_is_made_once_for_all_networks(network, split, monkeypatch):
    made = perturbations.get("patch_scramble")
    calls = []

    def perturb(self, clean, strength):
        calls.append(len(clean.images))
        return Perturbed(clean.images)

    monkeypatch.setattr(type(made), "perturb", perturb)
    models = {"one": network(seed=1), "two": network(seed=2)}
    last(assess(models, split, [CLEAN, SCRAMBLED], batch=10))
    assert calls == [30]  # three batches of small images are made together


def test_progress_counts_images_and_outcomes_appear_condition_by_condition(network, split):
    seen = list(assess({"it": network()}, split, [CLEAN, SCRAMBLED], batch=10))
    assert [(each.done, each.total) for each in seen] == [(done, 60) for done in (10, 20, 30, 40, 50, 60)]
    assert [len(each.outcomes["it"]) for each in seen] == [0, 0, 1, 1, 1, 2]
    assert all(each.seconds_left is not None for each in seen)
    assert seen[-1].seconds_left == 0


def test_outcomes_are_the_same_whatever_the_batch(network, split):
    model = network()
    large, small = (
        last(assess({"it": model}, split, [SCRAMBLED], batch=size)).outcomes["it"][SCRAMBLED] for size in (30, 7)
    )
    np.testing.assert_allclose(large.log_probabilities, small.log_probabilities, atol=2e-3)


def test_a_closed_assessment_does_nothing_more(network, split):
    steps = assess({"it": network()}, split, [CLEAN, SCRAMBLED], batch=10)
    next(steps)
    steps.close()
    assert next(steps, None) is None


def test_networks_of_other_classes_are_refused(network, split):
    others = dataclasses.replace(split, classes=("this", "that"))
    with pytest.raises(ValueError, match="it has the classes .* and the test images have this, that"):
        next(assess({"it": network()}, others, [CLEAN]))


def test_a_set_that_the_images_do_not_allow_is_refused_with_the_reason(network, split):
    without = dataclasses.replace(split, extras={})
    with pytest.raises(ValueError, match=r"Silhouettes.* cannot be made from these images: it needs masks"):
        next(assess({"it": network()}, without, [Condition("silhouettes", 1)]))


def test_sets_with_images_of_their_own_have_these(network, split):
    condition = Condition("cues_conflict", 1)
    data = DataRecipe(name="cues", image_size=32)
    outcome = last(assess({"it": network()}, split, [condition], data=data)).outcomes["it"][condition]
    assert outcome.count == 60
    assert (outcome.textures != outcome.targets).all()
    with pytest.raises(ValueError, match="has images of its own, which need a recipe's data"):
        next(assess({"it": network()}, split, [condition]))


def test_half_precision_keeps_the_predicted_class():
    close = np.log(np.array([[0.5 - 1e-6, 0.5 + 1e-6], [0.5 + 1e-6, 0.5 - 1e-6], [0.9, 0.1]]))
    found = packed(close)
    assert found.dtype == np.float16
    assert found.argmax(axis=1).tolist() == [1, 0, 0]
    np.testing.assert_allclose(found, close, rtol=2e-3)
    random = torch.randn(2000, 10, generator=torch.Generator().manual_seed(0)).mul(1e-3).log_softmax(dim=1).numpy()
    np.testing.assert_array_equal(packed(random).argmax(axis=1), random.argmax(axis=1))


def test_impossible_classes_stay_finite_in_half_precision():
    assert np.isfinite(packed(np.array([[0.0, -1e6]]))).all()


@pytest.mark.parametrize("model", ["three_stage_cnn_16", "small_vit_patch4_32"])
def test_outputs_do_not_depend_on_the_layout_of_the_images_in_memory(network, split, model):
    found, images = network(model), making.clean(split, torch.arange(30)).images
    last, first = (
        of_batch({"it": found}, Perturbed(each), split.targets)["it"] for each in (images, images.contiguous())
    )
    np.testing.assert_allclose(last.log_probabilities, first.log_probabilities, atol=2e-3)
