"""Names of runs are made from what differs."""

import pytest

from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, Term, settings
from kdcore.store import RunState
from kdcore.store.lists import naming
from kdcore.store.run_files.labels import Label

DAY = 86_400.0


def run(name="quick", *, kd=1.0, created=1.7e9, id_="20231114-221320-quick-0000", label="", **changes):
    recipe = Recipe(
        student=ModelRecipe(model="tiny"), terms=(Term(method="ce"), Term(method="kd", weight=kd)), **changes
    )
    return RunState(id_, label or name, created=created, settings=settings.settings(recipe), label=Label(label))


def test_runs_of_one_name_are_called_by_the_settings_that_differ():
    runs = [run(kd=0), run(kd=0.9)]
    assert naming.compared(runs) == ["kd 0", "kd 0.9"]
    assert naming.listed(runs) == ["quick, kd 0", "quick, kd 0.9"]


def test_no_more_settings_are_named_than_tell_them_apart():
    runs = [run(kd=0, epochs=3), run(kd=0.5, epochs=4), run(kd=0.9, epochs=5)]
    assert naming.compared(runs) == ["kd 0", "kd 0.5", "kd 0.9"]
    assert naming.compared([*runs, run(kd=0, epochs=9)])[::3] == ["kd 0, epochs 3", "kd 0, epochs 9"]


def test_equal_recipes_are_called_by_their_seed_and_else_by_their_time():
    assert naming.compared([run(), run(seeds=(1,))]) == ["seed 0", "seed 1"]
    first, second = naming.compared([run(), run(created=1.7e9 + DAY)])
    assert first != second
    assert "2023" not in first  # of one year, the day and the time are enough
    twins = [run(id_="x-0001"), run(id_="x-0002")]
    assert [name[-4:] for name in naming.compared(twins)] == ["0001", "0002"]


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["s: lr 0.01, seed 0", "s: lr 0.01, seed 1"], ["seed 0", "seed 1"]),
        (["a long study: lr 0.01, seed 0", "a long study: lr 0.02, seed 0"], ["lr 0.01", "lr 0.02"]),
        (["quick", "quick at night"], ["quick", "quick at night"]),
        (["quick", "quick, kd 0.2"], ["quick", "quick, kd 0.2"]),
        (["s: one"], ["s: one"]),
        (["quick", "all-labels"], ["quick", "all-labels"]),
    ],
)
def test_a_comparison_leaves_out_what_all_runs_are_called(names, shown):
    assert naming.compared([run(name) for name in names]) == shown


def test_in_a_list_what_differs_comes_before_the_name_of_the_study():
    runs = [
        run("weight and rate: kd weight 0, seed 0", kd=0),
        run("weight and rate: kd weight 0, seed 1", kd=0, seeds=(1,)),
        run(),
    ]
    assert naming.listed(runs) == [
        "kd weight 0, seed 0 · weight and rate",
        "kd weight 0, seed 1 · weight and rate",
        "quick",
    ]


def test_the_name_that_a_user_gave_stays_whole():
    runs = [run("s: one", label="talk: the good one"), run("s: two"), run("s: three")]
    assert naming.listed(runs)[0] == "talk: the good one"


def test_a_run_whose_recipe_cannot_be_read_has_its_name():
    assert naming.compared([RunState("a-0001", "one"), RunState("a-0002", "two")]) == ["one", "two"]
    assert len(set(naming.compared([RunState("a-0001", "one"), RunState("a-0002", "one")]))) == 2


def test_a_run_on_drawn_images_is_not_called_without_a_path_beside_one_on_a_folder():
    runs = [run(data=DataRecipe(name="cues")), run(data=DataRecipe(name="folder", path="/a/birds", image_size=64))]
    assert [name.split(", ")[0] for name in naming.compared(runs)] == ["data cues", "data folder"]
    assert "without" not in str(naming.compared(runs))


def test_a_term_that_some_runs_lack_is_named_once():
    other = Recipe(
        student=ModelRecipe(model="tiny"), terms=(Term(method="ce"), Term(method="kd"), Term(method="attention"))
    )
    runs = [run(), RunState("b", "quick", created=1.7e9, settings=settings.settings(other))]
    assert naming.compared(runs) == ["ce + kd", "ce + kd + attention"]


def test_hundreds_of_runs_of_one_name_all_have_another():
    runs = [run(kd=place % 5, epochs=10 + place % 7, created=1.7e9 + 60 * place) for place in range(300)]
    assert len(set(naming.listed(runs))) == 300
