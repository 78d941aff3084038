"""Runs are found by words, fields and days."""

import time
from datetime import date

import pytest

from kdcore.recipe import ModelRecipe, Recipe, TeacherRecipe, Term, settings
from kdcore.store import RunState
from kdcore.store.lists.finding import Wanted, find, of, text, values
from kdcore.store.run_files.labels import Label

NOON = 1_795_867_200.0  # 2026-11-28, 12:00 UTC


def run(run_id, label=None, *, status="finished", created=NOON, method="kd", **changes):
    recipe = Recipe(
        student=ModelRecipe(model="tiny"), teacher=TeacherRecipe(weights="cues-teacher"), terms=(Term(method=method, weight=0.9),), **changes
    )  # fmt: skip
    return RunState(
        run_id, f"name of {run_id}", status, created, settings=settings.settings(recipe), label=label or Label()
    )


RUNS = [
    run("a", method="dkd", status="failed"),
    run("b", Label(tags=("talk",), note="Look at the cat", pinned=True), seeds=(3,)),
    run("c", Label(archived=True), created=NOON - 86_400),
    run("d", created=NOON - 2 * 86_400, epochs=7),
]


def ids(**wanted):
    return "".join(found.id for found in find(RUNS, Wanted(**wanted)))


def test_pinned_runs_come_first_and_archived_ones_are_hidden():
    assert ids() == "bad"
    assert ids(archived="show") == "bacd"
    assert ids(archived="only") == "c"
    assert Wanted().all
    assert not Wanted(archived="only").all
    assert not Wanted(words="x").all


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("name of b", "b"), ("TALK", "b"), ("cat look", "b"), ("epochs=7", "d"), ("kd.weight=0.9", "bad"), ("tiny dkd", "a"),
        ("failed", "a"), ("nothing like it", ""), ("   ", "bad"), ("[b", ""), ("aa", ""),
    ],
)  # fmt: skip
def test_each_word_must_occur_somewhere(words, found):
    assert ids(words=words) == found


def test_fields_accept_one_of_several_values():
    assert ids(fields={"method": ["dkd"], "status": []}) == "a"
    assert ids(fields={"method": ["dkd", "kd"], "status": ["finished"]}) == "bd"
    assert ids(fields={"tag": ["talk"]}) == "b"
    assert ids(fields={"student": ["tiny"], "teacher": ["cues-teacher"], "dataset": ["cues"]}) == "bad"
    assert ids(fields={"student": ["other"]}) == ""


def test_days_are_included():
    day = date.fromtimestamp(NOON)
    assert ids(since=day) == "ba"
    assert ids(until=day, since=day) == "ba"
    assert ids(until=date.fromordinal(day.toordinal() - 1), archived="show") == "cd"


def test_midnight_is_of_the_day_that_begins():
    midnight = run("m", created=time.mktime((2026, 11, 29, 0, 0, 0, 0, 0, -1)))
    assert find([midnight], Wanted(until=date(2026, 11, 28))) == []
    assert find([midnight], Wanted(since=date(2026, 11, 29))) == [midnight]


def test_values_are_counted_for_the_choices():
    counted = values(RUNS)
    assert counted["method"] == {"kd": 3, "dkd": 1}
    assert counted["tag"] == {"talk": 1}


def test_a_run_without_a_readable_recipe_has_a_status_alone():
    damaged = RunState("x", "x", "damaged")
    assert (of(damaged, "status"), of(damaged, "method"), of(damaged, "student")) == (("damaged",), (), ())
    assert "damaged" in text(damaged)
    assert find([damaged], Wanted(fields={"method": ["kd"]})) == []


def test_a_run_without_a_teacher():
    alone = Recipe(student=ModelRecipe(model="tiny"))
    assert of(RunState("x", "x", settings=settings.settings(alone)), "teacher") == ("none",)
