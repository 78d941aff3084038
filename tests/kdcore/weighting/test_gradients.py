import pytest
import torch
from torch import nn

from kdcore.weighting import GradientBalance, GradientMeter, gradient_norms


def test_norms_worked_by_hand():
    a, b = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor([1.0]))
    losses = {"both": 3 * a + 4 * b.sum(), "square": a**2, "neither": torch.zeros((), requires_grad=True) * 1}
    assert gradient_norms(losses, [a, b]) == {"both": 5.0, "square": 4.0, "neither": 0.0}
    losses["both"].backward()  # the graph is still there, and nothing was left in .grad
    assert a.grad == 3


def test_a_loss_without_a_graph_does_not_pull():
    assert gradient_norms({"memory": torch.tensor(1.0)}, [nn.Parameter(torch.ones(1))]) == {"memory": 0.0}


def test_shares_are_of_the_weighted_norms_and_idle_is_known_after_three_measurements():
    meter = GradientMeter(steps=100)
    norms, weights = {"ce": 2.0, "kd": 6.0, "attention": 0.004}, {"ce": 1.0, "kd": 0.5, "attention": 0.5}
    first, second, third = (meter.read(norms, weights) for _ in range(3))
    assert first.norms == {"ce": 2.0, "kd": 3.0, "attention": 0.002}
    assert first.shares == pytest.approx({"ce": 2 / 5.002, "kd": 3 / 5.002, "attention": 0.002 / 5.002})
    assert first.idle == second.idle == {}
    assert third.idle == pytest.approx({"attention": 2.5 / 0.002})  # the others pull with (2 + 3) / 2


def test_a_term_that_does_not_count_is_not_called_idle():
    meter = GradientMeter(steps=100)
    for _ in range(3):
        pull = meter.read({"ce": 2.0, "kd": 1.0}, {"ce": 1.0, "kd": 1.0, "fitnets": 0.0})
    assert pull.shares["fitnets"] == 0
    assert pull.idle == {}


def test_one_good_measurement_is_enough_not_to_be_idle():
    meter = GradientMeter(steps=100)
    for norm in (0.001, 1.0, 0.001):
        pull = meter.read({"ce": 1.0, "kd": norm}, {"ce": 1.0, "kd": 1.0})
    assert pull.idle == {}


def test_the_first_steps_are_measured_and_later_ones_while_the_budget_lasts():
    meter = GradientMeter(steps=5000)
    assert [step for step in range(1, 31) if meter.due(step, busy_seconds=0.0)] == [
        1,
        5,
        10,
        20,
        30,
    ]  # nothing spent yet
    meter.took(1.0)
    assert [step for step in range(1, 31) if meter.due(step, busy_seconds=0.0)] == [1, 5, 10]
    assert not meter.due(200, busy_seconds=39.0)  # 1 s spent and 1 s to come are more than 5 % of 39 s
    assert meter.due(200, busy_seconds=41.0)
    assert not meter.due(201, busy_seconds=1000.0)


def test_balanced_weights_worked_by_hand():
    balance = GradientBalance()
    assert balance.balanced({"ce": 1.0, "kd": 1.0}) == {"ce": 1.0, "kd": 1.0}  # nothing measured yet
    balance.observe({"ce": 1.0, "kd": 4.0})
    assert balance.balanced({"ce": 1.0, "kd": 1.0}) == {"ce": 2.5, "kd": 0.625}
    # pulls of 3 : 1, and together 7, as 3 * 1 + 1 * 4 would have been
    assert balance.balanced({"ce": 3.0, "kd": 1.0}) == {"ce": 5.25, "kd": 0.4375}


def test_a_term_that_does_not_count_has_no_say_in_the_balance():
    balance = GradientBalance()
    balance.observe({"ce": 1.0, "kd": 4.0, "fitnets": 100.0})
    assert balance.balanced({"ce": 1.0, "kd": 1.0, "fitnets": 0.0}) == {"ce": 2.5, "kd": 0.625, "fitnets": 0.0}


def test_norms_are_smoothed_over_measurements():
    balance = GradientBalance()
    for norm in (1.0, 2.0):
        balance.observe({"ce": norm, "kd": 1.0})
    assert balance.state() == pytest.approx({"ce": 1.5, "kd": 1.0})  # 0.5 * 1 + 0.5 * 2


def test_a_gradient_of_nothing_is_not_blown_up_without_end():
    balance = GradientBalance()
    balance.observe({"ce": 1.0, "dead": 0.0})
    assert balance.balanced({"ce": 1.0, "dead": 1.0}) == pytest.approx({"ce": 0.5, "dead": 1e4})
    balance.load_state({"ce": 0.0, "dead": 0.0})
    assert balance.balanced({"ce": 1.0, "dead": 1.0}) == {"ce": 1.0, "dead": 1.0}


def test_a_long_run_is_measured_often_at_first_and_fifty_times_over_all():
    meter = GradientMeter(steps=5000)
    assert [step for step in range(1, 401) if meter.due(step, busy_seconds=0.0)] == [
        1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 200, 300, 400,
    ]  # fmt: skip
    assert sum(meter.due(step, busy_seconds=0.0) for step in range(101, 5001)) == 49
    assert all(GradientMeter(steps=20).due(step, busy_seconds=0.0) for step in range(1, 21))  # a short run: every step


def test_what_a_measurement_may_cost_is_what_the_longest_took():
    meter = GradientMeter(steps=100)
    for seconds in (0.5, 2.0, 0.5):
        meter.took(seconds)
    assert not meter.due(20, busy_seconds=99.0)  # 3 s spent and 2 s to come are 5 % of 100 s
    assert meter.due(20, busy_seconds=101.0)


def test_a_share_of_one_percent_is_not_idle_and_a_single_term_never_is():
    for norm, idle in ((1 / 98, set()), (1 / 101, {"kd"})):
        meter = GradientMeter(steps=100)
        for _ in range(3):
            read = meter.read({"ce": 1.0, "kd": norm}, {"ce": 1.0, "kd": 1.0})
        assert set(read.idle) == idle
    alone = GradientMeter(steps=100)
    assert [alone.read({"ce": 0.0}, {"ce": 1.0}).idle for _ in range(4)] == [{}] * 4


def test_without_any_gradient_there_are_no_shares():
    read = GradientMeter(steps=100).read({"ce": 0.0, "kd": 0.0}, {"ce": 1.0, "kd": 1.0})
    assert read.shares == {"ce": 0.0, "kd": 0.0}


def test_only_the_last_three_measurements_decide_on_idleness():
    meter = GradientMeter(steps=100)
    idle = [
        set(meter.read({"ce": 1.0, "kd": norm}, {"ce": 1.0, "kd": 1.0}).idle) for norm in (1, 1, 1e-4, 1e-4, 1e-4, 1)
    ]
    assert idle == [set(), set(), set(), set(), {"kd"}, set()]


def test_the_norm_is_over_learning_parameters_alone_and_over_all_of_them():
    a, b, frozen = (nn.Parameter(torch.tensor([value])) for value in (1.0, 2.0, 3.0))
    frozen.requires_grad_(False)
    loss = (3 * a + 4 * b + 5 * frozen).sum()
    assert gradient_norms({"all": loss}, [a, b, frozen]) == {"all": pytest.approx(5.0)}
    assert gradient_norms({"all": loss}, [a]) == {"all": pytest.approx(3.0)}


def test_balance_is_measured_every_ten_steps_from_the_first():
    assert [step for step in range(1, 32) if GradientBalance().due(step)] == [1, 11, 21, 31]


def test_a_balance_without_weights_leaves_them():
    balance = GradientBalance()
    balance.observe({"ce": 1.0, "kd": 4.0})
    assert balance.balanced({"ce": 0.0, "kd": 0.0}) == {"ce": 0.0, "kd": 0.0}
