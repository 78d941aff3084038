import math

import pytest
import torch

from kdcore.weighting import UncertaintyWeights


def with_variances(*variances: float) -> UncertaintyWeights:
    weights = UncertaintyWeights(("ce", "kd"))
    with torch.no_grad():
        weights.log_variances.copy_(torch.tensor(variances).log())
    return weights


def test_total_worked_by_hand():
    losses = {"ce": torch.tensor(2.0), "kd": torch.tensor(3.0)}
    total, counted = with_variances(4.0, 0.5)(losses, {"ce": 1.0, "kd": 0.1})
    # 2 / 4 + log(4) / 2 and 0.1 * 3 / 0.5 + log(0.5) / 2
    assert total.item() == pytest.approx(0.5 + math.log(4) / 2 + 0.6 + math.log(0.5) / 2)
    assert {name: weight.item() for name, weight in counted.items()} == pytest.approx({"ce": 0.25, "kd": 0.2})


def test_at_first_the_weights_are_the_recipe_s():
    losses = {"ce": torch.tensor(2.0), "kd": torch.tensor(3.0)}
    total, _ = UncertaintyWeights(("ce", "kd"))(losses, {"ce": 1.0, "kd": 0.1})
    assert total.item() == pytest.approx(2.3)


def test_learning_brings_every_term_to_one_half():
    weights = UncertaintyWeights(("ce", "kd"))
    losses, asked = {"ce": torch.tensor(2.0), "kd": torch.tensor(0.01)}, {"ce": 1.0, "kd": 1.0}
    optimizer = torch.optim.Adam(weights.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        weights(losses, asked)[0].backward()
        optimizer.step()
    _, counted = weights(losses, asked)
    assert {name: (counted[name] * losses[name]).item() for name in losses} == pytest.approx(
        {"ce": 0.5, "kd": 0.5}, rel=1e-2
    )


def test_a_term_that_does_not_count_leaves_its_variance_alone():
    weights = UncertaintyWeights(("ce", "kd"))
    weights({"ce": torch.tensor(2.0), "kd": torch.tensor(3.0)}, {"ce": 1.0, "kd": 0.0})[0].backward()
    assert weights.log_variances.grad.tolist() == [0.5 - 2.0, 0.0]
