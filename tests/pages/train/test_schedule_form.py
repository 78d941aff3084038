import pytest

from kdcore.recipe import schedules
from pages.parts.train import schedule_chart, schedule_form

SPECS = [
    (2.0, "constant", 2.0, "2.0"),
    ({"linear": [3.0, 1.0]}, "linear", 3.0, "3 → 1, linear"),
    ({"cosine": [3.0, 1.0]}, "cosine", 3.0, "3 → 1, cosine"),
    ({"steps": {"start": 0.5, "factor": 0.1, "at": [30, 40]}}, "steps", 0.5, "0.5, × 0.1 at epoch 30, 40"),
    ({"piecewise": [[1, 3.0], [20, 2.0], [50, 1.0]]}, "piecewise", 3.0, "3 → 1, through 3 points"),
    (
        {"scaled": {"schedule": {"linear": [3.0, 1.0]}, "factors": [[3.5, 2.0]]}}, "scaled", 3.0,
        "3 → 1, linear, × 2 from epoch 3.5",
    ),
    ({"held": {"schedule": 2.0, "epochs": 10}}, "held", 2.0, "2.0 in 10 epochs, then constant"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "kind", "first", "words"), SPECS)
def test_every_schedule_is_recognised_and_said(spec, kind, first, words):
    assert schedule_form.kind_of(spec) == kind
    assert schedule_form.first_value(spec) == first
    assert schedule_form.in_words(spec) == words
    assert schedules.parse(spec, 50)(0) == first


def test_points_are_read_as_they_are_typed():
    assert schedule_form.pairs("1: 3, 20:2.5; 50: 1") == [[1, 3], [20, 2.5], [50, 1]]
    assert schedule_form.numbers("30, 40 45") == [30, 40, 45]


@pytest.mark.parametrize("text", ["1: 3, 20", "one: 2", ""])
def test_what_is_not_points_comes_back_for_the_recipe_to_refuse(text):
    assert schedule_form.pairs(text) == text
    with pytest.raises(ValueError, match="not valid"):
        schedules.parse({"piecewise": schedule_form.pairs(text)}, 10)


def test_lines_far_apart_are_drawn_on_another_scale():
    rows = [{"line": "a", "epoch": 0.0, "value": 250.0}, {"line": "b", "epoch": 0.0, "value": 0.9}]
    assert schedule_chart.spread(rows)
    assert not schedule_chart.spread([{**rows[0], "value": 2.0}, rows[1]])
