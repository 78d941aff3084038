"""The changes between two recipes, as a command line or an address has them."""

import pytest

from kdcore.recipe import from_plain, library, overrides, with_fitting_note, with_overrides, with_values


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["epochs=3", "terms.1.temperature=8.0", "data.labels=all"],
        ["terms.1.weight={linear: [1.0, 0.1]}", "seeds=[1, 2]", "student.model=tiny"],
        ["terms=[{method: ce}]", "teacher=null", "twin=false"],
        ["terms.0.name=labels", "data.augment=[]"],
        ["note=500 labels", "seeds=[3]"],
        ["epochs=3", "note=three epochs"],
        ["name=mine", "seeds=[0, 1, 2]"],
    ],
)
def test_the_changes_between_two_recipes_make_the_one_of_the_other(changes):
    recipe = library.recipe("quick")
    changed = with_overrides(recipe, changes)
    found = overrides(recipe, changed)
    assert with_overrides(recipe, found) == changed
    assert len(found) == len(changes)


@pytest.mark.parametrize(
    "change", ["data.labels=1000", "twin=false", "student.options.width=8", "precision=exact", "terms=[{method: ce}]"]
)
def test_a_note_that_may_be_false_of_the_changed_recipe_is_not_carried_over(change):
    recipe = library.recipe("quick")
    assert "500 of the training images are labelled" in recipe.note
    assert with_overrides(recipe, [change]).note == ""


@pytest.mark.parametrize("change", ["seeds=[1, 2]", "name=mine", "data.labels=500"])
def test_a_note_stays_with_other_seeds_another_name_or_a_setting_as_it_was(change):
    recipe = library.recipe("quick")
    assert with_overrides(recipe, [change]).note == recipe.note


def test_a_note_that_is_given_with_the_settings_stays():
    changed = with_values(library.recipe("quick"), {"data.labels": 1000, "note": "A thousand labels."})
    assert changed.note == "A thousand labels."
    assert with_values(changed, {"seeds": [1]}).note == "A thousand labels."


def test_a_changed_copy_with_the_old_note_is_made_again_from_its_changes():
    recipe = library.recipe("quick")
    edited = from_plain(recipe.model_dump(mode="json") | {"epochs": 3})  # as in a text editor: the note was left in
    assert edited.note == recipe.note
    assert with_overrides(recipe, overrides(recipe, edited)) == edited
    bare = with_fitting_note(recipe, edited)
    assert (bare.note, bare.epochs) == ("", 3)
    assert overrides(recipe, bare) == ["epochs=3"]
