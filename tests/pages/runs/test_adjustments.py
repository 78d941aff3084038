"""Settings changed while a run trains: a window sends its own user's changes alone, and follows those of others."""

import time
from dataclasses import replace

import pytest

from kdcore.events import KnobTurned
from kdcore.store import RunState
from pages.parts import refresh
from pages.parts.runs import adjustments, header, moments


def slider(test, label):
    (found,) = [each for each in test.slider if each.label.startswith(f"{label}: ")]
    return found


def button(test, label):
    (found,) = [each for each in test.button if each.label == label]
    return found


@pytest.fixture
def run(runner, make_run, writers, monkeypatch):
    """A run in training that follows changes, as its job does."""
    run_id = make_run("running")
    runner.busy = (run_id,)

    def set_knob(of, knob, factor):
        runner.told.append((knob, factor))
        writers[of].append(KnobTurned(10, knob, factor))

    monkeypatch.setattr(runner, "set_knob", set_knob)
    return run_id


def test_a_window_does_not_write_back_what_another_window_changed(open_page, runner, run):
    first, second = open_page("train.py", run=run), open_page("train.py", run=run)
    slider(first, "Weight of kd").set_value(2.0).run()
    slider(second, "Learning rate").set_value(0.5).run()
    assert runner.told == [("weight/kd", 2.0), ("learning_rate", 0.5)]
    assert slider(second, "Weight of kd").value == 2.0
    assert slider(first.run(), "Learning rate").value == 0.5
    assert runner.store.state(run).knobs == {"weight/kd": 2.0, "learning_rate": 0.5}


@pytest.mark.parametrize("trains_here", [True, False])
def test_every_window_shows_what_another_one_changed_with_its_next_redraw_a_second_later(
    open_page, runner, run, writers, monkeypatch, trains_here
):
    every = {}
    fragment = refresh.st.fragment

    def noted(draw, *, run_every=None):
        every[draw.__name__] = run_every
        return fragment(draw, run_every=run_every)

    monkeypatch.setattr(refresh.st, "fragment", noted)
    runner.busy = (run,) if trains_here else ()
    window = open_page("train.py", run=run)
    assert every["sliders"] <= 1.0
    writers[run].append(KnobTurned(10, "weight/kd", 2.0))  # by whichever window
    window.run()
    assert any("Weight of kd" in each.label and "1 → 2" in each.label for each in window.slider)


def test_a_visitor_gets_the_settings_with_what_is_new_of_the_run(runner, run, writers, visiting):
    def settings():
        state = runner.store.state(run)
        return moments.of_run(runner.store, run, runner.store.version(run), state.status)["settings"]

    assert "Weight of kd 1 · " in settings()
    writers[run].append(KnobTurned(10, "weight/kd", 2.0))
    assert "Weight of kd 1 → 2 · " in settings()


def test_the_settings_of_a_run_that_does_not_train_are_not_shown(runner, make_run, visiting):
    run_id = make_run()
    state = runner.store.state(run_id)
    assert moments.of_run(runner.store, run_id, runner.store.version(run_id), state.status)["settings"] == ""


def test_both_windows_may_turn_the_same_knob_and_the_last_one_stands(open_page, runner, run):
    first, second = open_page("train.py", run=run), open_page("train.py", run=run)
    slider(first, "Weight of kd").set_value(2.0).run()
    slider(second.run(), "Weight of kd").set_value(0.5).run()
    assert slider(first.run(), "Weight of kd").value == 0.5
    slider(first, "Weight of kd").set_value(2.0).run()  # as before, but now on purpose
    assert runner.told == [("weight/kd", 2.0), ("weight/kd", 0.5), ("weight/kd", 2.0)]


def test_drawing_again_and_again_changes_nothing(open_page, runner, run):
    test = open_page("train.py", run=run)
    for _ in range(3):
        test.run()
    assert runner.told == []


def test_a_change_that_is_taken_back_before_the_run_follows_is_sent(open_page, runner, make_run):
    run_id = make_run("running")
    runner.busy = (run_id,)  # which never confirms
    test = open_page("train.py", run=run_id)
    slider(test, "Weight of kd").set_value(2.0).run()
    assert slider(test, "Weight of kd").value == 2.0
    slider(test, "Weight of kd").set_value(1.0).run()
    assert [told[2:] for told in runner.told] == [("weight/kd", 2.0), ("weight/kd", 1.0)]


def test_what_a_browser_still_sends_of_an_older_slider_changes_nothing():
    window = adjustments.Window(1.0, 1.0)
    window.follow(1.0)
    assert window.version == 0
    window.follow(2.0)  # another window turned it: a new slider, whose changes alone count
    assert (window.version, window.last) == (1, 2.0)


def test_what_a_new_slider_was_drawn_at_is_no_change(open_page, runner, run, monkeypatch):
    state = {"window-weight/kd-a": adjustments.Window(2.0, 2.0, version=1), "weight/kd-a-1": 2.0}
    monkeypatch.setattr(adjustments.st, "session_state", state)
    adjustments.moved("a", "weight/kd", "weight/kd-a-1")  # a browser sends it when it draws the slider
    assert runner.told == []


def test_an_older_slider_that_a_slow_browser_still_shows_writes_nothing(open_page, runner, run, monkeypatch):
    """Its value came with another slider's change, and overwrote what another window had set."""
    older, newer = f"weight/kd-{run}-0", f"weight/kd-{run}-1"
    state = {f"window-weight/kd-{run}": adjustments.Window(1.1, 1.1, version=1), older: 1.0, newer: 1.2}
    monkeypatch.setattr(adjustments.st, "session_state", state)
    adjustments.moved(run, "weight/kd", older)
    assert runner.told == []
    adjustments.moved(run, "weight/kd", newer)
    assert runner.told == [("weight/kd", 1.2)]


def test_a_change_that_the_run_never_follows_is_not_shown_for_ever():
    window = adjustments.Window(1.0, 2.0, [2.0], time.monotonic())
    window.follow(1.0)
    assert window.version == 0
    window.sent_at -= adjustments.CONFIRMED + 1
    window.follow(1.0)
    assert (window.version, window.last, window.sent) == (1, 1.0, [])


def test_a_slider_that_its_own_user_moved_stays_as_it_is_while_a_slow_run_follows():
    window = adjustments.Window(1.0, 2.0, [1.2, 1.6, 2.0], time.monotonic())
    for now in (1.0, 1.6, 1.6, 2.0, 2.0):
        window.follow(now)
    assert (window.version, window.last, window.sent) == (0, 2.0, [])


def test_a_slider_that_was_not_drawn_for_a_while_shows_the_run_s_factor_again(
    open_page, runner, make_run, writers, monkeypatch
):
    run_id = make_run("running")
    runner.busy = (run_id,)
    test = open_page("train.py", run=run_id)
    slider(test, "Weight of kd").set_value(2.0).run()  # sent, and not confirmed yet
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(adjustments, "ADJUSTABLE", ())
        assert not test.run().slider  # Streamlit drops the position
    test.run()
    writers[run_id].append(KnobTurned(10, "weight/kd", 2.0))
    test.run()
    assert slider(test.run(), "Weight of kd").value == 2.0
    slider(test, "Weight of kd").set_value(2.5).run()
    assert [told[2:] for told in runner.told] == [("weight/kd", 2.0), ("weight/kd", 2.5)]


def test_another_window_s_change_after_one_s_own_is_followed_at_once():
    window = adjustments.Window(1.0, 2.0, [1.2, 2.0], time.monotonic())
    window.follow(0.5)
    assert (window.version, window.last, window.sent) == (1, 0.5, [])


def test_the_weight_stands_beside_the_factor_and_can_be_reset(open_page, runner, run):
    test = open_page("train.py", run=run)
    assert slider(test, "Weight of ce").label == "Weight of ce: 0.1"
    slider(test, "Weight of ce").set_value(2.0).run()
    test.run()
    assert slider(test, "Weight of ce").label == "Weight of ce: 0.1 → 0.2"
    button(test, "Undo").click().run()
    assert runner.told == [("weight/ce", 2.0), ("undo_knob", run)]


def test_undo_says_what_it_would_change_and_reset_takes_all_back(open_page, runner, run):
    test = open_page("train.py", run=run)
    assert button(test, "Undo").disabled
    assert button(test, "Reset").disabled
    slider(test, "Weight of kd").set_value(2.0).run()
    test.run()
    assert "Weight of kd" in button(test, "Undo").help
    button(test, "Reset").click().run()
    assert runner.told[1:] == [("reset_knobs", run)]


def test_temperature_is_a_setting_too(open_page, runner, run):
    test = open_page("train.py", run=run)
    assert slider(test, "Temperature of kd").label == "Temperature of kd: 4"
    slider(test, "Temperature of kd").set_value(2.0).run()
    assert slider(test.run(), "Temperature of kd").label == "Temperature of kd: 4 → 8"


def test_who_only_watches_has_no_sliders(open_page, make_run, visiting):
    test = open_page("train.py", run=make_run("running", knobs={"weight/kd": 2.0}))
    assert not test.slider
    assert not any("Weight of kd" in each.label for each in test.button)


def test_a_refused_change_gives_the_reason_and_the_slider_goes_back(open_page, runner, make_run):
    run_id = make_run("running")
    runner.busy = (run_id,)
    test = open_page("train.py", run=run_id)
    runner.refusal = "It has just ended."
    slider(test, "Weight of kd").set_value(2.0).run()
    assert [error.value for error in test.error] == ["It has just ended."]
    assert slider(test, "Weight of kd").value == 1.0


def test_the_page_is_drawn_again_when_a_resumed_run_can_be_adjusted(monkeypatch):
    monkeypatch.setattr(header.st, "session_state", {})
    resumed = RunState(id="a", name="a", status="preparing", steps=20, step=10)
    assert not header.changed(resumed)
    assert header.changed(replace(resumed, status="running"))
    assert not header.changed(replace(resumed, status="paused"))
    assert header.changed(replace(resumed, status="finished"))
