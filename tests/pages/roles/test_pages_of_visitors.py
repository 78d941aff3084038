"""What a visitor's pages draw: no control of the operator's, and a sentence where the most expected one would be."""

import shutil

import pytest

from kdcore.recipe.study import Study
from kdcore.store import Studies

OPERATORS = {"Start training", "Train it here", "Pause", "Continue", "Stop the run", "Resume", "Delete", "Run", "Run again", "Start study",
             "Estimate cost", "Estimate now", "Check the teacher", "Delete this damaged study", "Sweep a setting", "Stop"}  # fmt: skip


def drawn(at):
    assert not at.exception
    assert not [error.value for error in at.error if "Only the operator" in error.value]  # nothing was pressed
    return {button.label for button in at.button}


@pytest.mark.parametrize("status", ["queued", "running", "paused", "stopped", "failed", "finished"])
@pytest.mark.parametrize("page", ["runs.py", "train.py"])
def test_a_run_can_be_watched_and_not_controlled(open_page, make_run, runner, page, status, visiting):
    run_id = make_run(status)
    runner.busy = (run_id,) if status in ("queued", "running", "paused") else ()
    at = open_page(page, run=run_id)
    assert not drawn(at) & OPERATORS
    assert not [slider.label for slider in at.slider if "earning rate" in slider.label or "Weight" in slider.label]
    assert "New run from this recipe" in drawn(at)  # to read it
    assert not [code for code in at.code if "Traceback" in code.value]


@pytest.mark.parametrize(
    "page, sentence",
    [
        ("start.py", "Only the operator can train it here."),
        ("train.py", "Only the operator can start runs; this form shows what a run would do."),
        ("train.py", "Choose data, teacher, student and loss, and see the loss that a run would have."),
        ("studies.py", "Only the operator can start sweeps."),
        ("studies.py", "The same small run with one mistake each. Only the operator can start them."),
    ],
)
def test_a_sentence_stands_where_the_button_would_be(open_page, runner, page, sentence, visiting):
    at = open_page(page)
    assert not drawn(at) & OPERATORS
    assert sentence in [caption.value for caption in at.caption]
    assert runner.tried == 0  # nothing was estimated


def test_a_visitor_has_one_next_thing_to_do_on_the_start_page(open_page, runner, make_run, visiting):
    def primary(at):
        return [button.label for button in at.button if button.proto.type == "primary"]

    assert primary(open_page("start.py")) == ["Try it on a photo"]
    runner.busy = (make_run("running"),)
    assert primary(open_page("start.py")) == ["Watch the run in progress"]


def test_no_card_of_the_start_page_promises_a_run(open_page, runner, request):
    def cards():
        return [link.proto.label for link in open_page("start.py").get("page_link")]

    assert {"Set up your own run", "Try common pitfalls"} <= set(cards())
    request.getfixturevalue("visiting")
    assert cards() == ["Compare on your own photo", "See the settings of a run", "See all runs", "Read common pitfalls"]


@pytest.mark.parametrize("finished", [False, True])
def test_a_study_can_be_watched_and_not_controlled(open_page, runner, make_run, visiting, finished):
    run_id = make_run()
    plain = runner.store.recipe(run_id).model_dump(mode="json")
    studies = Studies(runner.store)
    study_id = studies.create(Study(recipe=plain, vary={"epochs": (1, 2)}, test_sets={}))
    if finished:
        for place in studies.state(study_id).places:
            shutil.copytree(runner.store.folder(run_id), runner.store.root / place.run_id)
    at = open_page("studies.py", study=study_id)
    assert (studies.state(study_id).status == "finished") == finished
    assert not drawn(at) & OPERATORS
    assert [each.label for each in at.get("download_button")] == ["CSV"]
    assert "All studies" in drawn(at)  # what comes after the buttons is there too


def test_the_passcode_is_asked_for_at_the_top_of_pages_and_nowhere_on_ones_own_machine(open_page, runner, request):
    assert "Passcode" not in [field.label for field in open_page("train.py").text_input]
    request.getfixturevalue("visiting")
    for page in ("start.py", "train.py", "runs.py", "studies.py", "methods.py"):
        assert open_page(page).text_input[0].label == "Passcode"


def test_a_folder_is_the_operators_to_name(open_page, runner, visiting):
    at = open_page("train.py")
    at.segmented_control[0].set_value("folder").run()
    assert "Only the operator can use folders of this server." in [caption.value for caption in at.caption]
    assert "Folder on this computer" not in [field.label for field in at.text_input]
