import numpy as np

from kdcore.store.replay.columns import summed

SERIES = {
    "layer_weight/attention/0": (np.array([5, 10, 15]), np.array([0.2, 0.3, 0.4])),
    "layer_weight/attention/1": (np.array([5, 10, 15]), np.array([0.5, 0.4, 0.3])),
    "layer_weight/attention/2": (np.array([10, 15]), np.array([0.3, 0.3])),
}


def test_chosen_layers_are_summed_at_the_steps_that_all_of_them_have():
    steps, values = summed(SERIES, list(SERIES)[:2])
    assert steps.tolist() == [5, 10, 15]
    np.testing.assert_allclose(values, 0.7)
    steps, values = summed(SERIES, list(SERIES))
    assert steps.tolist() == [10, 15]
    np.testing.assert_allclose(values, 1.0)


def test_without_layers_or_with_an_unknown_one_there_is_nothing():
    assert [len(part) for part in summed(SERIES, [])] == [0, 0]
    assert [len(part) for part in summed(SERIES, ["layer_weight/attention/7"])] == [0, 0]
