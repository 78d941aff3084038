"""The switch for TensorBoard event files on Train: no part of the recipe."""

import pytest


@pytest.mark.parametrize("on", [True, False])
def test_a_run_writes_event_files_where_the_switch_is_on(open_page, runner, on):
    test = open_page("train.py")
    (switch,) = [each for each in test.toggle if each.label == "TensorBoard files"]
    switch.set_value(on).run()
    (start,) = [each for each in test.button if each.label == "Start training"]
    start.click().run()
    assert runner.event_files is on
