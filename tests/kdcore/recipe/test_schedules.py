import math
import re

import pytest

from kdcore.recipe.schedules import Constant, Warmup, highest, lowest, parse

S0_TEMPERATURE = {"piecewise": [[1, 3.0], [20, 2.0], [21, 1.5], [50, 1.0]]}


def at_epoch(schedule, epoch, epochs=50):
    """The value at the start of an epoch, which are counted from 1."""
    return schedule((epoch - 1) / epochs)


@pytest.mark.parametrize("epoch, value", [(1, 3.0), (20, 2.0), (21, 1.5), (50, 1.0)])
def test_the_temperature_of_s0_at_its_corners(epoch, value):
    assert at_epoch(parse(S0_TEMPERATURE, 50), epoch) == pytest.approx(value)


def test_a_piecewise_value_holds_for_its_whole_epoch():
    schedule = parse(S0_TEMPERATURE, 50)
    assert schedule(19.99 / 50) == pytest.approx(2.0)  # the last step of epoch 20
    assert schedule(20 / 50) == pytest.approx(1.5)  # the first of epoch 21
    assert schedule(1.0) == pytest.approx(1.0)


def test_piecewise_is_a_straight_line_between_its_points_and_flat_outside():
    schedule = parse({"piecewise": [[3, 4.0], [7, 2.0]]}, 10)
    assert [at_epoch(schedule, epoch, 10) for epoch in (1, 3, 5, 7, 10)] == pytest.approx([4.0, 4.0, 3.0, 2.0, 2.0])


@pytest.mark.parametrize("epochs", [3, 7, 30, 50, 200])
def test_an_epoch_begins_where_it_begins_whatever_the_rounding(epochs):
    schedule = parse({"piecewise": [[epoch, float(epoch)] for epoch in range(1, epochs + 1)]}, epochs)
    assert [at_epoch(schedule, epoch, epochs) for epoch in range(1, epochs + 1)] == list(range(1, epochs + 1))


def test_cosine_starts_and_ends_at_its_values_and_is_halfway_in_the_middle():
    schedule = parse({"cosine": [3.0, 1.0]}, 10)
    assert [schedule(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([3.0, 2.0, 1.0])
    assert schedule(0.25) == pytest.approx(1 + (1 + math.sqrt(0.5)))  # cos 45 degrees


def test_linear_is_a_straight_line():
    assert [parse({"linear": [3, 1]}, 10)(p) for p in (0.0, 0.25, 1.0)] == pytest.approx([3.0, 2.5, 1.0])


def test_steps_fall_at_the_start_of_their_epochs():
    schedule = parse({"steps": {"start": 0.1, "factor": 0.1, "at": [30, 40]}}, 50)
    values = [at_epoch(schedule, epoch) for epoch in (1, 29, 30, 39, 40, 50)]
    assert values == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_steps_may_be_given_in_any_order():
    there, back = ({"steps": {"start": 1, "factor": 0.5, "at": at}} for at in ([30, 40], [40, 30]))
    assert parse(there, 50)(0.9) == parse(back, 50)(0.9) == 0.25


def test_a_number_is_constant():
    assert parse(4, 10) == Constant(4.0)
    assert parse(4, 10)(0.3) == 4.0


def test_warm_up_rises_in_a_straight_line_to_what_comes_after():
    schedule = Warmup(Constant(2.0), 0.1)
    assert [schedule(p) for p in (0.0, 0.05, 0.1, 0.7)] == pytest.approx([0.0, 1.0, 2.0, 2.0])


def test_lowest_looks_at_the_whole_run():
    assert lowest(3.0, 10) == 3.0
    assert lowest({"linear": [3, -1]}, 10) == -1.0
    assert lowest({"piecewise": [[1, 3], [5, 0.5], [9, 2]]}, 10) == 0.5


@pytest.mark.parametrize(
    "spec", ["3", None, True, [3, 1], {}, {"linear": [1, 2], "cosine": [1, 2]}, {"exponential": [3, 1]}]
)
def test_what_is_no_schedule_is_refused_with_an_example(spec):
    with pytest.raises(
        ValueError, match=r"A schedule is a number or one of linear.* For example \{linear: \[3.0, 1.0\]\}"
    ):
        parse(spec, 10)


@pytest.mark.parametrize(
    "spec",
    [
        {"linear": [1]},
        {"linear": ["a", "b"]},
        {"cosine": 3},
        {"steps": {"start": 1, "factor": 0.1}},
        {"steps": [1, 2]},
        {"piecewise": []},
        {"piecewise": [[2, 1.0], [2, 3.0]]},
        {"piecewise": [[1, float("inf")]]},
    ],
)
def test_settings_that_are_not_understood_are_refused_with_an_example(spec):
    (kind,) = spec
    with pytest.raises(
        ValueError, match="The settings of schedule .* are not valid: .* Expected, for example"
    ) as refusal:
        parse(spec, 10)
    assert f"for example, {{{kind}: " in str(refusal.value)
    assert not re.search("unpack|indices|convert|iterable", str(refusal.value))  # words of Python's own errors


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_must_be_finite(number):
    with pytest.raises(ValueError, match="finite"):
        parse(number, 10)


def test_what_grows_without_end_is_refused():
    for spec in (
        {"steps": {"start": 1, "factor": 1e300, "at": [2, 3]}},
        {"linear": [1, 10**400]},
        {"steps": {"start": 1, "factor": -1e200, "at": [2, 3]}},
    ):
        with pytest.raises(ValueError, match=r"are not valid: .*the numbers must be finite"):
            parse(spec, 10)
    with pytest.raises(ValueError, match=r"2,000 epochs; at most 1,000 are allowed"):
        parse({"piecewise": [[epoch, 1] for epoch in range(2000)]}, 10)
    with pytest.raises(ValueError, match="A schedule needs finite numbers, not a number of about 401 digits"):
        parse(10**400, 10)


def test_a_long_value_is_shortened_where_it_is_refused():
    with pytest.raises(ValueError, match="A schedule is a number or one of") as refusal:
        parse({"x" * 10**6: 1}, 10)
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize(
    "spec",
    [
        2.5,
        {"linear": [3, -1]},
        {"cosine": [-1, 2]},
        {"steps": {"start": 4, "factor": -0.5, "at": [2, 4.5, 30]}},
        {"piecewise": [[0.5, 3], [2.5, -4], [2.6, 5], [9.2, -1], [40, -50]]},
    ],
)
def test_the_lowest_value_is_that_of_some_epoch(spec):
    schedule = parse(spec, 10)
    assert lowest(spec, 10) == pytest.approx(min(schedule(step / 10) for step in range(11)))
    assert highest(spec, 10) == pytest.approx(max(schedule(step / 10) for step in range(11)))


def test_a_factor_scales_a_schedule_from_its_moment_on():
    schedule = parse({"scaled": {"schedule": {"linear": [2.0, 0.0]}, "factors": [[2, 0.5], [3.5, 1.0]]}}, 4)
    assert [schedule(p) for p in (0.0, 0.25, 0.5, 0.625, 0.75)] == [2.0, 0.75, 0.5, 0.75, 0.5]


@pytest.mark.parametrize("steps_per_epoch, epochs", [(57, 10), (7, 3), (1000, 300)])
def test_a_factor_holds_from_the_very_step(steps_per_epoch, epochs):
    steps = steps_per_epoch * epochs
    for step in (1, steps_per_epoch - 1, steps_per_epoch, steps // 2 + 1, steps - 1):
        schedule = parse({"scaled": {"schedule": 1.0, "factors": [[1 + step / steps_per_epoch, 2.0]]}}, epochs)
        assert [schedule((step + off) / steps) for off in (-1, 0)] == [1.0, 2.0]


def test_a_held_schedule_ends_earlier_and_keeps_its_last_value():
    held, whole = (
        parse({"held": {"schedule": {"linear": [3.0, 1.0]}, "epochs": 10}}, 20),
        parse({"linear": [3.0, 1.0]}, 10),
    )
    assert [held(p / 20) for p in range(11)] == pytest.approx([whole(p / 10) for p in range(11)])
    assert [held(p) for p in (0.5, 0.75, 1.0)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "spec, why",
    [
        ({"scaled": {"schedule": 1.0, "factors": [[2, -1.0]]}}, "the factors must be at least 0"),
        ({"scaled": {"schedule": 1.0, "factors": [[2, 1.0], [2, 3.0]]}}, "the epochs must rise"),
        ({"scaled": {"schedule": {"held": 1}, "factors": [[2, 1.0]]}}, "The settings of schedule 'held' are not valid"),
        ({"scaled": {"factors": [[2, 1.0]]}}, r"Expected, for example, \{scaled:"),
        ({"held": {"schedule": 1.0, "epochs": 0.5}}, "`epochs` must be a whole number from 1 to 10,000"),
        ({"held": {"schedule": 1.0}}, r"Expected, for example, \{held:"),
    ],
)
def test_scaled_and_held_schedules_say_what_they_need(spec, why):
    with pytest.raises(ValueError, match=why):
        parse(spec, 10)


def test_schedules_are_not_nested_without_end():
    spec = 1.0
    for _ in range(2000):
        spec = {"held": {"schedule": spec, "epochs": 3}}
    with pytest.raises(ValueError, match="at most 4 schedules may be within each other"):
        parse(spec, 10)


def test_bounds_of_scaled_and_held_schedules():
    scaled = {"scaled": {"schedule": {"linear": [2.0, 1.0]}, "factors": [[2, 3.0]]}}
    assert (lowest(scaled, 4), highest(scaled, 4)) == (1.0, 6.0)
    assert lowest({"held": {"schedule": {"linear": [2.0, -1.0]}, "epochs": 2}}, 4) == -1.0
