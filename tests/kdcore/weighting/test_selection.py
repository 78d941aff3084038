import pytest
import torch

from kdcore.weighting import LayerSelection, activation_scores


def test_scores_worked_by_hand():
    # two images of one channel with two places: means 1 and 5, within each +-1
    features = torch.tensor([[[[0.0, 2.0]]], [[[4.0, 6.0]]]])
    variance, variation, spatial = activation_scores(features).tolist()
    assert variance == 5  # mean 3; squares 9, 1, 1, 9
    assert variation == pytest.approx(5**0.5 / 3)
    assert spatial == pytest.approx(1 / 5)


def test_only_the_raw_variance_follows_the_scale():
    features = torch.rand(4, 3, 5, 5)
    once, louder = activation_scores(features), activation_scores(10 * features)
    torch.testing.assert_close(louder, once * torch.tensor([100.0, 1.0, 1.0]))


def test_a_dead_channel_does_not_count():
    features = torch.cat([torch.rand(4, 1, 5, 5), torch.full((4, 1, 5, 5), 7.0)], dim=1)
    torch.testing.assert_close(activation_scores(features)[2], activation_scores(features[:, :1])[2])


def maps(*scales: float) -> list[torch.Tensor]:
    """Feature maps whose variances are these."""
    return [scale**0.5 * torch.tensor([[[[-1.0, 1.0]]]]) for scale in scales]


def test_the_highest_are_kept_and_all_until_then():
    selection = LayerSelection(4, 2, "variance")
    assert selection.chosen == [0, 1, 2, 3]
    selection.observe(maps(1, 5, 3, 4))
    assert selection.choose()
    assert selection.chosen == [1, 3]
    assert selection.kept.tolist() == [False, True, False, True]


def test_scores_are_the_mean_of_the_first_ten_batches():
    selection = LayerSelection(1, 1, "variance")
    for scale in range(1, 11):
        selection.observe(maps(float(scale)))
    assert selection.scores[0].item() == pytest.approx(5.5)


def test_a_layer_stays_unless_another_is_ten_percent_better():
    selection = LayerSelection(3, 1, "variance")
    selection.observe(maps(1.0, 0.5, 0.2))
    selection.choose()
    selection.scores[0] = torch.tensor([1.0, 1.09, 0.2])
    assert not selection.choose()
    selection.scores[0] = torch.tensor([1.0, 1.11, 0.2])
    assert selection.choose()
    assert selection.chosen == [1]
    assert not selection.choose()  # asked twice for the same epoch


def test_the_choice_travels_with_the_state():
    selection, other = LayerSelection(3, 1, "variance"), LayerSelection(3, 1, "variance")
    selection.observe(maps(1.0, 5.0, 0.2))
    selection.choose()
    other.load_state_dict(selection.state_dict())
    assert other.chosen == [1]


@pytest.mark.parametrize(
    "keep, by, reason",
    [
        (4, "variance", "select is 4, and there are 3 feature maps to select from: use 1 to 3"),
        (1, "size", "'size' is not one of variance"),
    ],
)
def test_what_cannot_be_chosen_is_refused(keep, by, reason):
    with pytest.raises(ValueError, match=reason):
        LayerSelection(3, keep, by)
