from itertools import permutations

import numpy as np
import pytest

from kdcore.results.similarity import MinibatchCKA, cka, gram


@pytest.fixture
def features():
    return np.random.default_rng(0).standard_normal((60, 8))


def hsic_by_its_definition(first: np.ndarray, second: np.ndarray) -> float:
    """The U-statistic of HSIC (Song et al., 2012, equation 3): the mean over all choices of four different images."""
    terms = [
        first[i, j] * second[i, j] + first[i, j] * second[q, r] - 2 * first[i, j] * second[i, q]
        for i, j, q, r in permutations(range(len(first)), 4)
    ]
    return float(np.mean(terms))


def test_values_follow_the_definition_of_hsic():
    random = np.random.default_rng(1)
    first, second = random.standard_normal((6, 3)), random.standard_normal((6, 4))
    grams = first @ first.T, second @ second.T
    between, own, others = (hsic_by_its_definition(*pair) for pair in (grams, (grams[0],) * 2, (grams[1],) * 2))
    found = MinibatchCKA()
    found.update([grams[0]], [grams[1]])
    assert found.value()[0, 0] == pytest.approx(between / np.sqrt(own * others))


def test_a_network_is_alike_to_itself(features):
    assert cka(features, features) == pytest.approx(1)


def test_features_that_have_nothing_in_common_are_at_0_however_many_they_are():
    random = np.random.default_rng(2)
    found = [cka(random.standard_normal((64, 500)), random.standard_normal((64, 700))) for _ in range(20)]
    assert abs(np.mean(found)) < 0.02  # the biased estimate is about 0.9 here


def test_a_rotation_and_a_scale_change_nothing(features):
    rotation = np.linalg.qr(np.random.default_rng(3).standard_normal((8, 8)))[0]
    other = features @ np.random.default_rng(4).standard_normal((8, 5)) + 0.1
    assert cka(features @ rotation, other) == pytest.approx(cka(features, other))
    assert cka(7 * features + 3, other) == pytest.approx(cka(features, other))


def test_a_linear_map_changes_the_value(features):
    assert 0.1 < cka(features, features * np.arange(1, 9)) < 0.99


def test_features_may_have_any_shape(features):
    assert cka(features.reshape(60, 2, 2, 2), features) == pytest.approx(1)


def test_batches_estimate_the_value_of_the_whole_set():
    random = np.random.default_rng(5)
    first = random.standard_normal((1000, 6))
    second = np.tanh(first @ random.standard_normal((6, 6))) + random.standard_normal((1000, 6))
    batched = MinibatchCKA()
    for start in range(0, 1000, 50):
        part = slice(start, start + 50)
        batched.update([gram(first[part])], [gram(second[part])])
    assert batched.images == 1000
    assert batched.value()[0, 0] == pytest.approx(cka(first, second), abs=0.03)


def test_a_matrix_has_a_row_for_each_layer_of_the_first_network(features):
    other = features**3
    matrix = MinibatchCKA()
    matrix.update([gram(features), gram(other)], [gram(other), gram(features), gram(features[:, :2])])
    found = matrix.value()
    assert found.shape == (2, 3)
    assert (found[0, 1], found[1, 0]) == pytest.approx((1, 1))
    assert found[0, 0] == pytest.approx(cka(features, other))


def test_constant_features_have_no_value(features):
    assert np.isnan(cka(np.ones((60, 3)), features))


def test_networks_see_the_same_images(features):
    with pytest.raises(AssertionError, match="the same images in both networks"):
        MinibatchCKA().update([gram(features)], [gram(features[:50])])
