import numpy as np
import pytest
import scipy.special
import scipy.stats

from kdcore.inspection import soft_labels
from kdcore.recipe import DataRecipe
from kdcore.store import Store
from kdcore.store.trained_on import data_of

RANDOM = np.random.default_rng(0)
TEACHER, STUDENT = (RANDOM.normal(0, 3, (30, 5)).astype(np.float32) for _ in range(2))
TARGETS = np.arange(30) % 5


def test_soft_labels_entropy_and_divergence_agree_with_scipy():
    teacher, student = soft_labels.soft_labels(TEACHER, 4.0), soft_labels.soft_labels(STUDENT, 4.0)
    np.testing.assert_allclose(teacher, scipy.special.softmax(TEACHER / 4, axis=1), rtol=1e-6)
    np.testing.assert_allclose(soft_labels.entropy(teacher), scipy.stats.entropy(teacher, axis=1), rtol=1e-6)
    np.testing.assert_allclose(soft_labels.divergence(teacher, student), scipy.stats.entropy(teacher, student, axis=1), rtol=1e-6)  # fmt: skip


def test_a_sure_answer_has_no_entropy_and_no_infinity():
    sure = soft_labels.soft_labels(np.array([1000.0, 0.0]), 0.5)
    assert soft_labels.entropy(sure) == 0
    assert np.isfinite(soft_labels.divergence(np.array([0.5, 0.5]), sure))


def test_the_mean_soft_label_of_each_class_worked_by_hand():
    labels = np.array([[0.8, 0.2, 0.0], [0.6, 0.4, 0.0], [0.1, 0.9, 0.0]])
    found = soft_labels.by_class(labels, np.array([0, 0, 1]))
    np.testing.assert_allclose(found[:2], [[0.7, 0.3, 0.0], [0.1, 0.9, 0.0]])
    assert np.isnan(found[2]).all()  # no image of this class


def test_class_agreement_leaves_out_the_diagonal():
    one = np.array([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.0, 0.4, 0.6]])
    other = one / 2 + np.diag([5.0, 1.0, 9.0])
    assert soft_labels.class_agreement(one, other) == pytest.approx(1)
    assert np.isnan(soft_labels.class_agreement(one, np.full((3, 3), 0.2)))


def test_the_gradient_at_a_high_temperature_is_that_of_the_centred_logits():
    found = soft_labels.over_temperatures(TEACHER, STUDENT, [2.0, 1000.0])
    gap = (STUDENT - STUDENT.mean(1, keepdims=True)) - (TEACHER - TEACHER.mean(1, keepdims=True))
    expected = np.linalg.norm(gap, axis=1).mean() / 5  # methods.kd: the gradient tends to the centred gap over K
    assert found["limit"]["gradient"][0] == pytest.approx(expected, rel=1e-5)
    assert found["scaled"]["gradient"][1] == pytest.approx(expected, rel=1e-2)


def test_the_plain_loss_is_the_mean_divergence_of_the_soft_labels():
    found = soft_labels.over_temperatures(TEACHER, STUDENT, [3.0])
    expected = soft_labels.divergence(
        soft_labels.soft_labels(TEACHER, 3.0), soft_labels.soft_labels(STUDENT, 3.0)
    ).mean()
    assert found["plain"]["loss"] == [pytest.approx(expected, rel=1e-4)]
    assert found["scaled"]["loss"] == [pytest.approx(9 * expected, rel=1e-4)]


def test_the_two_parts_make_up_the_plain_loss_of_an_image():
    one = slice(3, 4)
    parts = soft_labels.decoupled(TEACHER[one], STUDENT[one], TARGETS[one], [2.0])
    whole = soft_labels.over_temperatures(TEACHER[one], STUDENT[one], [2.0])["scaled"]["loss"][0]
    assert parts["target"][0] + parts["weight"][0] * parts["others"][0] == pytest.approx(whole, rel=1e-4)


def test_a_mean_squared_error_of_maps_has_a_small_gradient():
    found = soft_labels.map_divergences(soft_labels.spot(14, 0.3, 0.3, 0.12), soft_labels.spot(14, 0.5, 0.5, 0.12))
    assert found["kl"][1] > 1000 * found["mse"][1] > 0


def test_the_divergence_of_two_spots_is_that_of_scipy():
    teacher, student = soft_labels.spot(4, 0.3, 0.3, 0.3), soft_labels.spot(4, 0.5, 0.7, 0.3)
    expected = scipy.stats.entropy(teacher.ravel(), student.ravel())
    assert soft_labels.map_divergences(teacher, student)["kl"][0] == pytest.approx(expected, rel=1e-4)


def test_the_bundled_networks_answer_images_that_are_drawn_here(tmp_path):
    references = {"teacher": "cues-teacher", "student": "cues-student"}
    found = soft_labels.run(references, Store(tmp_path))
    assert found.logits["teacher"].shape == (200, 10)
    assert found.images.shape == (200, 64, 64, 3)
    assert found.images.dtype == np.uint8
    np.testing.assert_array_equal(found.targets[:20], [*range(10)] * 2)  # classes in turn
    for logits in found.logits.values():
        assert (logits.argmax(1) == found.targets).mean() > 0.9


def test_images_that_would_be_downloaded_are_not(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    assert not soft_labels.available(DataRecipe(name="cifar10"))
    with pytest.raises(ValueError, match="images of cifar10 are not in .* start a run with this data to download them"):
        soft_labels.run({"teacher": "cifar10-teacher"}, Store(tmp_path))


def test_a_class_that_no_dataset_has_is_named(tmp_path):
    with pytest.raises(ValueError, match="mystery has the classes of no known dataset: this, that"):
        data_of("mystery", ("this", "that"), Store(tmp_path))
