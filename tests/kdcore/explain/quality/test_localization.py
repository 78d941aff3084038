import numpy as np
import pytest

from kdcore.explain.quality.localization import (
    beyond_controls,
    centre_prior,
    covered,
    energy_inside,
    on_the_object,
    pointing,
)

MASK = np.zeros((8, 8), dtype=bool)
MASK[:4, :2] = True  # half of the top left quarter


def test_a_cell_counts_as_far_as_the_object_covers_it():
    np.testing.assert_allclose(covered(MASK, (2, 2)), [[0.5, 0], [0, 0]])
    assert energy_inside(np.array([[0.6, 0.2], [0.1, 0.1]]), MASK) == pytest.approx(0.3)


def test_the_pointing_game_looks_at_the_brightest_cell():
    assert pointing(np.array([[0.6, 0.2], [0.1, 0.1]]), MASK)
    assert not pointing(np.array([[0.2, 0.6], [0.1, 0.1]]), MASK)


def test_shares_over_images_stand_beside_what_chance_and_the_centre_give():
    maps = np.array([[[0.6, 0.2], [0.1, 0.1]], [[0.2, 0.6], [0.1, 0.1]], [[np.nan] * 2] * 2])
    found = on_the_object(maps, np.stack([MASK] * 3))
    assert (found.count, found.without) == (2, 1)
    assert found.hits[0] == 0.5
    assert found.hits[1:] == pytest.approx((0.095, 0.905), abs=1e-3)  # Wilson: two images say next to nothing
    assert found.inside[0] == pytest.approx((0.3 + 0.1) / 2)
    assert found.by_chance == pytest.approx(8 / 64)
    assert found.hits_by_chance == 0.25  # one cell of four touches the object
    assert found.hits_centred == 1  # of four that are equally near to the middle the first counts
    # inside 0.3 and 0.1, a uniform map and a centred blob both 0.125
    assert beyond_controls(maps, np.stack([MASK] * 3)) == pytest.approx([0.3 - 0.125, 0.1 - 0.125, np.nan], nan_ok=True)
    assert found.centred == pytest.approx(0.25 * 0.5)  # a centred blob is alike in all four quarters


def test_the_centre_prior_is_a_distribution_with_its_peak_in_the_middle():
    prior = centre_prior((5, 7))
    assert prior.sum() == pytest.approx(1)
    assert np.unravel_index(prior.argmax(), prior.shape) == (2, 3)
    np.testing.assert_allclose(prior, prior[::-1, ::-1])
