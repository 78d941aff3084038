"""Which folders are runs, and ids of new ones."""

import shutil

from kdcore.events import RunStopped
from kdcore.recipe import ModelRecipe, Recipe
from kdcore.store import Store, held, run_ids
from kdcore.store.folders import Folders

RECIPE = Recipe(name="quick", student=ModelRecipe(model="tiny"))


def test_ids_go_on_from_the_newest_and_only_those_of_one_second_are_remembered(tmp_path, monkeypatch):
    folders, asked = Folders(tmp_path, None), []

    def a_second_after(latest: str) -> str:
        asked.append(latest)
        return f"20260101-0000{len(asked) // 3:02d}"

    monkeypatch.setattr(run_ids, "not_before", a_second_after)
    given = [folders.new_id("quick") for _ in range(6)]
    assert [each[:15] for each in given] == sorted(each[:15] for each in given)
    assert asked[:4] == ["", "20260101-000000", "20260101-000000", "20260101-000001"]
    assert folders._given == {each for each in given if each.startswith("20260101-000002")}


def test_of_runs_that_another_process_deleted_no_path_is_held(tmp_path):
    store = Store(tmp_path)
    for run_id in [store.create(RECIPE) for _ in range(3)][1:]:
        assert len(store.states()) > 1
        shutil.rmtree(tmp_path / run_id)
    (kept,) = store.states()
    assert list(store._folders._paths) == [kept.id]


def test_an_own_run_takes_the_place_of_a_recording_of_its_id_with_the_same_events(tmp_path):
    recordings = Store(tmp_path / "recorded")
    run_id = recordings.create(RECIPE)
    with recordings.writer(run_id) as writer:
        writer.append(RunStopped(3, ""))
    store = Store(tmp_path / "runs", recorded=recordings.root)
    assert store.state(run_id).recorded
    shutil.copytree(recordings.root / run_id, store.root / run_id)  # with the same dates
    assert not store.state(run_id).recorded
    assert [state.recorded for state in store.states()] == [False]


def test_an_id_is_given_once_also_before_its_folder_exists(tmp_path, monkeypatch):
    drawn = iter(["20260101-000000-quick-1", "20260101-000000-quick-1", "20260101-000000-quick-2"])
    monkeypatch.setattr(run_ids, "not_before", lambda latest: "20260101-000000")
    monkeypatch.setattr(run_ids, "named", lambda latest, name: next(drawn))
    folders = Folders(tmp_path, None)
    assert [folders.new_id("quick") for _ in range(2)] == ["20260101-000000-quick-1", "20260101-000000-quick-2"]


def test_of_many_recipes_the_latest_are_held(tmp_path, monkeypatch):
    monkeypatch.setattr(held, "HELD_RECIPES", 2)
    store = Store(tmp_path)
    made = [store.create(RECIPE) for _ in range(4)]
    for run_id in made:
        assert store.recipe(run_id) == RECIPE
    assert list(store._held._recipes) == made[-2:]
