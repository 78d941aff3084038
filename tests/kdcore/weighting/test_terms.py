from kdcore import recipe
from kdcore.weighting import TermWeights

STUDENT = {"model": "a"}


def test_schedules_and_knobs_multiply():
    plain = {
        "student": {"model": "a"},
        "epochs": 50,
        "terms": [
            {
                "method": "kd",
                "weight": {"linear": [1, 0]},
                "temperature": {"piecewise": [[1, 3], [20, 2], [21, 1.5], [50, 1]]},
            }
        ],
    }
    terms = TermWeights(recipe.from_plain(plain))
    assert terms.weights(0.5, {}) == {"kd": 0.5}
    assert terms.weights(0.5, {"weight/kd": 3.0}) == {"kd": 1.5}
    assert [terms.temperatures((epoch - 1) / 50, {})["kd"] for epoch in (1, 20, 21, 50)] == [3, 2, 1.5, 1]


def test_a_term_counts_in_its_epochs_alone():
    plain = {
        "student": STUDENT,
        "epochs": 10,
        "terms": [
            {"method": "ce", "from_epoch": 6, "weight": 0.5},
            {"method": "fitnets", "weight": {"linear": [250, 0]}, "to_epoch": 8},
        ],
    }
    terms = TermWeights(recipe.from_plain(plain))
    told = {epoch: terms.weights((epoch - 1) / 10, {}) for epoch in (1, 5, 6, 8, 9, 10)}
    assert [told[epoch]["ce"] for epoch in told] == [0, 0, 0.5, 0.5, 0.5, 0.5]
    # a schedule runs over the whole run, whenever the term counts
    assert [round(told[epoch]["fitnets"], 6) for epoch in told] == [250, 150, 125, 75, 0, 0]
    # the last step of epoch 5 is still in it
    assert terms.weights(0.4999, {})["ce"] == 0


def test_what_was_adapted_and_balanced_travels_with_the_state():
    plain = {
        "student": STUDENT,
        "weighting": "gradients",
        "terms": [{"method": "kd"}, {"method": "fitnets", "adapt": {"patience": 1}}],
    }
    terms, other = TermWeights(recipe.from_plain(plain)), TermWeights(recipe.from_plain(plain))
    terms.balance.observe({"kd": 1.0, "fitnets": 4.0})
    for epoch, loss in enumerate((1.0, 2.0), start=1):
        terms.adaptive.observe({"kd": loss}, epoch)
    other.load_state(terms.state())
    assert terms.requested(0.5, {}) == {"kd": 1.0, "fitnets": 0.5}
    assert other.weights(0.5, {}) == terms.weights(0.5, {}) != {"kd": 1.0, "fitnets": 0.5}
    assert other.state() == terms.state()
