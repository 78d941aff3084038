"""A fork is started from a run's page with two clicks, and its family is shown."""

import pytest

from kdcore.events import CheckpointSaved


@pytest.fixture
def run(make_run, runner):
    run_id = make_run()
    with runner.store.writer(run_id) as writer:
        for step in (10, 20):
            writer.checkpoint_path(step).write_bytes(b"")
            writer.append(CheckpointSaved(step, step / 10, f"checkpoints/{step:08d}.safetensors"))
    return run_id


def labelled(elements, label):
    return next(each for each in elements if each.label == label)


@pytest.mark.parametrize("page", ["runs.py", "train.py"])
def test_a_fork_takes_what_was_changed_and_nothing_else(open_page, runner, run, page):
    test = open_page(page, run=run)
    labelled(test.number_input, "Weight of kd").set_value(0.2).run()
    labelled(test.selectbox, "From").set_value(10).run()
    labelled(test.number_input, "Epochs").set_value(2).run()
    labelled(test.button, "Start the fork").click().run()
    assert not test.exception
    assert runner.told == [("fork", run, {"name": "quick, kd weight 0.2", "terms.1.weight": 0.2}, 10)]


def test_an_ended_run_offers_more_epochs_and_a_running_one_now(open_page, runner, make_run, run):
    test = open_page("runs.py", run=run)
    assert labelled(test.number_input, "Epochs").value == 7
    assert labelled(test.selectbox, "From").options == ["the end", "epoch 1 (step 10)"]
    live = make_run("running", name="live")
    runner.busy = (live,)
    test = open_page("train.py", run=live)
    assert labelled(test.number_input, "Epochs").value == 2
    begins = labelled(test.selectbox, "From")
    assert begins.options == ["now"]
    assert begins.value is not None  # None is drawn as "Choose an option"
    labelled(test.button, "Start the fork").click().run()
    assert runner.told[-1][-1] is None  # to the runner, now has no step


def test_the_run_and_its_fork_are_shown_on_one_chart(open_page, runner, run):
    test = open_page("runs.py", run=run)
    labelled(test.button, "Start the fork").click().run()
    assert not test.exception
    assert "2 runs compared" in [each.value for each in test.subheader]


def test_a_refusal_is_shown_where_it_was_asked(open_page, runner, run):
    runner.refusal = "A fork cannot change `student.model`."
    test = open_page("runs.py", run=run)
    labelled(test.button, "Start the fork").click().run()
    assert [each.value for each in test.error] == ["A fork cannot change `student.model`."]


def test_a_family_is_listed_with_where_each_begins(open_page, runner, run):
    child = runner.fork(run, {"name": "less kd"}, step=10)
    test = open_page("runs.py", run=child, more="Family")
    assert not test.exception
    assert "Compare the family" in [each.label for each in test.button]
    assert any("from epoch 1, terms.1.weight 0.2, " in each.value for each in test.caption)


def test_a_visitor_sees_the_family_and_no_button(open_page, runner, run, visiting):
    child = runner.fork(run, {"name": "less kd"}, step=10)
    test = open_page("runs.py", run=child, more="Family")
    assert not test.exception
    assert "Start the fork" not in [each.label for each in test.button]
    assert "Compare the family" in [each.label for each in test.button]


def test_a_run_without_a_state_to_start_from_offers_none(open_page, make_run):
    test = open_page("runs.py", run=make_run())
    assert "Start the fork" not in [each.label for each in test.button]
