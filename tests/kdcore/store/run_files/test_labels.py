"""Names, tags and notes that a user gives to a run: beside it, as a whole, and neither in its recipe nor in its events."""

import json
import os

import pytest

from kdcore.errors import UserError
from kdcore.recipe import ModelRecipe, Recipe
from kdcore.store import Store
from kdcore.store.lists import finding
from kdcore.store.run_files.labels import FILE, Label, changed


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs", recorded=tmp_path / "recorded")


@pytest.fixture
def run(store):
    return store.create(Recipe(name="quick", student=ModelRecipe(model="tiny")))


def files(store, run):
    folder = store.folder(run)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in (FILE, "writer.lock")}


def test_a_name_is_shown_everywhere_and_the_original_stays(store, run):
    before = files(store, run)
    store.edit_label(
        run, name="  for   the talk ", tags=["talk", "talk", " week 1 ", ""], note="Looks right.\n", pinned=True
    )
    state = store.state(run)
    assert (state.name, state.original_name) == ("for the talk", "quick")
    assert state.label == Label("for the talk", ("talk", "week 1"), "Looks right.", pinned=True)
    assert store.recipe(run).name == "quick"
    assert files(store, run) == before


def test_another_process_sees_it_at_once(store, run):
    other = Store(store.root)
    assert other.state(run).label == Label()
    store.edit_label(run, archived=True)
    assert other.states()[0].label.archived
    store.edit_label(run, archived=False)
    assert not other.states()[0].label.archived
    assert not (store.folder(run) / FILE).exists()  # an empty one is removed


def test_tags_are_added_and_removed_and_the_rest_stays(store, run):
    store.edit_label(run, note="kept", add_tags=["a", "b"])
    store.edit_label(run, add_tags=["c"], remove_tags=["a"])
    assert store.state(run).label == Label(tags=("b", "c"), note="kept")


def test_an_unchanged_state_is_the_same_object(store, run):
    with store.writer(run):
        pass
    store.edit_label(run, name="mine")
    assert store.state(run) == store.state(run)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "n" * 81}, "The name has 81 characters; at most 80 are allowed. Shorten it."),
        ({"note": "n" * 2001}, "The note has 2,001 characters; at most 2,000 are allowed. Shorten it."),
        ({"tags": ["t" * 41]}, "has 41 characters; at most 40 are allowed. Shorten it."),
        ({"add_tags": list("abcdefghijklmnopqrstu")}, "21 tags are too many: a run has at most 20."),
    ],
)
def test_what_is_too_long_is_refused_and_nothing_is_written(store, run, change, words):
    with pytest.raises(UserError) as refused:
        store.edit_label(run, **change)
    assert words in str(refused.value)
    assert store.state(run).label == Label()


def test_a_recording_cannot_be_changed(store):
    recorded = Store(store.recorded)
    run = recorded.create(Recipe(student=ModelRecipe(model="tiny")))
    with pytest.raises(UserError, match="is a recording that comes with the project, which cannot be changed"):
        store.edit_label(run, name="mine")


@pytest.mark.parametrize("content", ["{", "[]", '{"name": "' + "n" * 5000 + '"}', '{"tags": [1]}', "[" * 60_000, "\0"])
def test_a_damaged_label_is_reported_and_replaced(store, run, content):
    (store.folder(run) / FILE).write_text(content)
    state = store.state(run)
    assert state.name == "quick"
    assert state.damage.startswith(f"{FILE} cannot be read") or "characters" in state.damage
    store.edit_label(run, note="new")
    assert store.state(run).label == Label(note="new")
    assert not store.state(run).damage


def test_a_folder_in_place_of_the_label_does_not_stop_the_list(store, run):
    (store.folder(run) / FILE).mkdir()
    assert store.states()[0].damage.startswith(f"{FILE} cannot be read")
    with pytest.raises(UserError, match=FILE):
        store.edit_label(run, name="mine")


def test_unknown_keys_of_a_later_version_are_left_out(store, run):
    (store.folder(run) / FILE).write_text(json.dumps({"name": "mine", "colour": "red", "pinned": "yes"}))
    assert store.state(run).label == Label("mine")


def test_the_cached_state_of_an_ended_run_has_no_label(store, run):
    from kdcore.events import Queued, RunStopped

    with store.writer(run) as writer:
        writer.append(Queued())
        writer.append(RunStopped(0, "Stopped."))
    store.edit_label(run, name="mine")
    assert store.state(run).name == "mine"
    assert Store(store.root).state(run).name == "mine"
    store.edit_label(run, name="")
    assert Store(store.root).state(run).name == "quick"


def test_what_acts_on_a_terminal_or_is_no_unicode_is_a_space(store, run):
    plain = {"name": "a\x1b[31mred\ud800", "tags": ["t\x1b]0;x\x07", "\udfff"], "note": "one\ntwo\u202e\0"}
    (store.folder(run) / FILE).write_text(json.dumps(plain))
    found = Store(store.root).state(run).label
    assert found == Label("a [31mred", ("t ]0;x",), "one\ntwo")
    assert store.edit_label(run, name="x\ny\x1bz").name == "x y z"


def test_a_name_that_nobody_would_see_is_none(store, run):
    assert changed(Label(), name=" \u200b\u2060 ", tags=["\u200b", "good"]) == Label(tags=("good",))


def test_a_damaged_label_is_replaced_also_by_an_empty_one(store, run):
    path = store.folder(run) / FILE
    path.write_text("{")
    assert "label.json cannot be read" in store.state(run).damage
    store.edit_label(run, pinned=False)
    assert not path.exists()
    assert store.state(run).damage == ""


@pytest.mark.parametrize("written", [1e9, 4e9])
def test_a_label_that_another_process_changes_or_puts_back_from_a_copy_is_read_again(store, run, written):
    store.edit_label(run, name="before")
    assert store.state(run).name == "before"
    path = store.folder(run) / FILE
    path.write_text(json.dumps({"name": "after"}))
    os.utime(path, (written, written))
    assert store.state(run).name == "after"


def test_a_tag_is_one_tag_in_both_forms_of_its_umlauts_and_is_found_and_removed(store, run):
    assert store.edit_label(run, tags=["caf\u00e9", "cafe\u0301"]).tags == ("caf\u00e9",)
    assert [each.id for each in finding.find(store.states(), finding.Wanted(words="CAFE\u0301"))] == [run]
    assert store.edit_label(run, remove_tags=[" cafe\u0301"]).tags == ()
