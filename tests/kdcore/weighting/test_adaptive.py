import pytest

from kdcore import recipe
from kdcore.weighting import AdaptiveWeights


def adaptive(**rule: object) -> AdaptiveWeights:
    terms = [{"method": "kd", "from_epoch": 2}, {"method": "ce"}, {"method": "fitnets", "weight": 250, "adapt": rule}]
    return AdaptiveWeights(recipe.from_plain({"student": {"model": "a"}, "terms": terms}))


def factors(weights: AdaptiveWeights, losses: list[float], term: str = "kd") -> list[float]:
    """The factor after each epoch, from the second on."""
    told = []
    for epoch, loss in enumerate(losses, start=2):
        weights.observe({term: loss}, epoch)
        told.append(weights.factor("fitnets"))
    return told


def test_a_weight_halves_when_two_epochs_brought_no_new_best():
    assert factors(adaptive(), [1.0, 0.9, 0.95, 0.92, 0.91, 0.8, 0.8, 0.8]) == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25]


def test_a_patience_of_one_waits_for_no_second_epoch():
    assert factors(adaptive(patience=1, factor=0.1), [1.0, 1.1, 0.9]) == pytest.approx([1, 0.1, 0.1])


def test_the_change_says_why():
    weights = adaptive()
    for epoch, loss in enumerate((0.5, 0.75), start=2):
        assert weights.observe({"kd": loss}, epoch) == []
    (change,) = weights.observe({"kd": 0.625}, 4)
    assert (change.term, change.factor) == ("fitnets", 0.5)
    assert change.reason == "validation kd is 0.625; no better than 0.5 for 2 epochs"


def test_nothing_is_watched_before_the_watched_term_counts_and_nothing_twice():
    weights = adaptive()
    assert weights.watched(1) == ()  # hints alone: kd is not trained yet, so it says nothing about them
    assert weights.watched(2) == ("kd",)
    weights.observe({"kd": 1.0}, 2)
    assert weights.watched(2) == ()  # a run that is resumed at the end of an epoch asks again
    assert weights.watched(3) == ("kd",)


def test_another_term_can_be_watched():
    weights = adaptive(watch="ce", patience=1)
    assert weights.watched(1) == ("ce",)
    assert factors(weights, [1.0, 1.0], term="ce") == [1, 0.5]


def test_a_run_that_goes_on_from_its_state_adapts_alike():
    losses = [1.0, 0.9, 0.95, 0.92, 0.91, 0.93, 0.8, 0.9, 0.9]
    whole, first, second = adaptive(), adaptive(), adaptive()
    told = factors(whole, losses)
    for cut in range(len(losses)):
        first, second = adaptive(), adaptive()
        factors(first, losses[:cut])
        second.load_state(first.state())
        assert [second.factor("fitnets")] == (told[cut - 1 : cut] or [1.0])
        for epoch, loss in enumerate(losses[cut:], start=2 + cut):
            second.observe({"kd": loss}, epoch)
            assert second.factor("fitnets") == told[epoch - 2]
