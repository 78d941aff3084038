import numpy as np
import pytest

from kdcore.recipe import DataRecipe
from kdcore.results.bias import Outcome
from kdcore.robustness import CLEAN, Condition, assess, gallery, samples
from kdcore.robustness.assessment import images_of

TARGETS = np.array([0, 0, 0, 0, 1, 1])
PREDICTED = {"teacher": [0, 1, 1, 0, 1, 0], "student": [0, 1, 0, 1, 1, 0], "twin": [0, 0, 1, 1, 0, 0]}
ROLES = {"teacher": "teacher", "student": "student", "twin": "twin"}


@pytest.fixture
def outcomes():
    return {name: Outcome(TARGETS, np.log(np.eye(2)[each] * 0.8 + 0.1)) for name, each in PREDICTED.items()}


@pytest.mark.parametrize(
    ("which", "places"),
    [
        ("any", [0, 1, 2, 3, 4, 5]),
        ("all right", [0]),
        ("all wrong", [5]),
        ("networks differ", [1, 2, 3, 4]),
        ("follows the teacher", [1, 4]),
    ],
)
def test_filters_by_who_is_right(outcomes, which, places):
    assert gallery.chosen(outcomes, which, roles=ROLES).tolist() == places


def test_images_that_one_network_alone_gets_right(outcomes):
    found = {name: gallery.chosen(outcomes, "only this one right", this=name).tolist() for name in outcomes}
    assert found == {"teacher": [3], "student": [2], "twin": [1]}


def test_filters_that_need_more_are_refused(outcomes):
    with pytest.raises(
        ValueError, match="Choose the network that alone is right: teacher, student, twin; not 'nobody'"
    ):
        gallery.chosen(outcomes, "only this one right", this="nobody")
    with pytest.raises(ValueError, match="need a teacher, a student and its twin"):
        gallery.chosen(outcomes, "follows the teacher")
    with pytest.raises(ValueError, match="Unknown filter 'best'; known: any, all right"):
        gallery.chosen(outcomes, "best")


def test_images_have_predictions_probabilities_and_heatmaps(store, network):
    sample = samples.load(DataRecipe(name="cues", image_size=32), 20)
    condition, model = Condition("patch_scramble", 4), network()
    *_, last = assess({"it": model}, sample.split, [CLEAN, condition])
    outcome = last.outcomes["it"][condition]
    found = gallery.shown(images_of(condition, sample.split), [3, 7], {"it": outcome}, {"it": model})
    assert [each.place for each in found] == [3, 7]
    for each in found:
        np.testing.assert_array_equal(each.clean, sample.split.images[each.place].permute(1, 2, 0))
        assert (each.clean != each.perturbed).any()
        assert sorted(each.clean.ravel()) == sorted(each.perturbed.ravel())
        predicted, probability = each.predictions["it"]
        assert predicted == outcome.predicted[each.place]
        assert 0.1 <= probability <= 1
        assert each.is_right("it") == outcome.right[each.place]
        assert each.heatmaps["it"].sum() == pytest.approx(1, abs=1e-4)
        assert each.texture is None


def test_a_cue_conflict_has_the_class_of_its_texture(store, network):
    data = DataRecipe(name="cues", image_size=32)
    sample = samples.load(data, 20)
    images = images_of(Condition("cues_conflict", 1), sample.split, data)
    *_, last = assess({"it": network()}, sample.split, [images.condition], data=data)
    outcome = last.outcomes["it"][images.condition]
    (found,) = gallery.shown(images, [5], {"it": outcome})
    assert found.texture == outcome.textures[5] != found.target


def test_no_images_are_no_error(store, network):
    sample = samples.load(DataRecipe(name="cues", image_size=32), 10)
    assert gallery.shown(images_of(CLEAN, sample.split), [], {}) == []
