"""Names, tags and notes of runs: edited by the operator, seen by visitors."""

import pytest

from kdcore.store.run_files.labels import Label
from pages.parts import engine


def labelled(elements, label):
    return next(each for each in elements if each.label == label)


def said(test):
    return "\n".join(each.value for each in [*test.caption, *test.markdown])


def save(test):
    labelled(test.button, "Save").click().run()
    assert not test.exception


def test_the_form_writes_what_was_changed(open_page, make_run, runner):
    run_id = make_run()
    test = open_page("runs.py", run=run_id)
    labelled(test.text_input, "Name").set_value("for the talk")
    labelled(test.text_area, "Note").set_value("Looks right.")
    labelled(test.toggle, "Pinned: first in the list").set_value(True)
    save(test)
    state = runner.store.state(run_id)
    assert state.label == Label("for the talk", note="Looks right.", pinned=True)
    assert test.subheader[0].value == "for the talk"
    assert "Originally: quick" in said(test)
    assert "Looks right." in said(test)
    labelled(test.text_input, "Name").set_value("")
    save(test)
    assert runner.store.state(run_id).name == "quick"


def test_saving_without_a_change_writes_nothing(open_page, make_run, runner):
    run_id = make_run()
    save(open_page("runs.py", run=run_id))
    assert runner.store.state(run_id).label == Label()


def test_what_is_refused_is_said(open_page, make_run, runner, monkeypatch):
    run_id = make_run()
    test = open_page("runs.py", run=run_id)
    (runner.store.folder(run_id) / "label.json").mkdir()
    labelled(test.text_area, "Note").set_value("x")
    save(test)
    assert any("label.json" in each.value for each in test.error)


def test_several_runs_are_tagged_and_archived_together(open_page, make_run, runner):
    ids = [make_run(labels=labels) for labels in (100, 200)]
    runner.store.edit_label(ids[0], tags=["old"])
    test = open_page("runs.py", run=ids)
    labelled(test.multiselect, "Remove tags").set_value(["old"])
    test.button(key="label-save").click().run()
    assert runner.store.state(ids[0]).label.tags == ()
    test.button(key="label-Archive").click().run()
    assert not test.exception
    assert all(runner.store.state(run_id).label.archived for run_id in ids)
    assert "2 selected (2 not in this list)" in said(test) or test.info


@pytest.mark.parametrize("several", [False, True])
def test_visitors_see_labels_and_no_form(open_page, make_run, runner, visiting, several):
    ids = [make_run(), make_run(labels=100)]
    runner.store.edit_label(ids[0], tags=["talk"], note="Look at the tip")
    test = open_page("runs.py", run=ids if several else ids[0])
    assert not test.exception
    assert not [each for each in test.button if each.label in ("Save", "Archive")]
    if not several:
        assert "Look at the tip" in said(test)
    refused = engine.refusal(engine.store().edit_label, ids[0])
    assert refused.startswith("Only the operator can name, tag and archive runs.")


def test_visitors_see_no_path_of_the_server_in_settings_or_notes(make_run, runner, visiting):
    run_id = make_run()
    runner.store.edit_label(run_id, note=f"Weights are in {runner.store.root}/weights/x.safetensors")
    note = engine.store().state(run_id).label.note
    assert note == "Weights are in x.safetensors"
    assert engine.store().state(run_id) is engine.store().state(run_id)  # thousands are not made anew


def test_a_recording_has_no_form(open_page, make_run, runner):
    import shutil

    run_id = make_run()
    runner.store.recorded.mkdir()
    shutil.move(runner.store.folder(run_id), runner.store.recorded / run_id)
    test = open_page("runs.py", run=run_id)
    assert not test.exception
    assert not [each for each in test.button if each.label == "Save"]
