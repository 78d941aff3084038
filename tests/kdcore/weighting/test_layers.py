import pytest
import torch

from kdcore.weighting import LayerWeights, capped


def test_entropy_weights_follow_the_softmax_worked_by_hand():
    weigh = LayerWeights(3, "entropy", temperature=0.1, cap=1.0, smoothing=0.0)
    weigh.observe(torch.tensor([0.9, 0.8, 0.8]))
    e = 2.718281828459045
    torch.testing.assert_close(weigh.weights, torch.tensor([1, e, e]) / (1 + 2 * e))


def test_smoothing_moves_a_share_of_the_way():
    weigh = LayerWeights(2, "entropy", temperature=0.1, cap=1.0, smoothing=0.75)
    weigh.observe(torch.tensor([0.0, 1.0]))  # the softmax says nearly (1, 0)
    torch.testing.assert_close(weigh.weights, torch.tensor([0.625, 0.375]), atol=1e-4, rtol=0)


def test_a_cap_passes_the_rest_on_in_proportion():
    torch.testing.assert_close(capped(torch.tensor([0.8, 0.15, 0.05]), 0.5), torch.tensor([0.5, 0.375, 0.125]))
    torch.testing.assert_close(capped(torch.tensor([0.7, 0.25, 0.05]), 0.4), torch.tensor([0.4, 0.4, 0.2]))


@pytest.mark.parametrize("layers", [1, 2, 12])
def test_capped_weights_always_sum_to_one(layers):
    weigh = LayerWeights(layers, "entropy", cap=0.4, smoothing=0.0)
    weigh.observe(torch.rand(layers))
    assert weigh.weights.sum().item() == pytest.approx(1)
    assert weigh.weights.max() <= max(0.4, 1 / layers) + 1e-5


def test_fixed_weights_are_brought_to_sum_one_and_stay():
    weigh = LayerWeights(2, (3.0, 1.0))
    weigh.observe(torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(weigh.weights, torch.tensor([0.75, 0.25]))


def test_the_weights_travel_with_the_checkpoint():
    weigh = LayerWeights(2, "entropy", smoothing=0.0)
    weigh.observe(torch.tensor([0.1, 0.9]))
    other = LayerWeights(2, "entropy")
    other.load_state_dict(weigh.state_dict())
    torch.testing.assert_close(other.weights, weigh.weights)
