"""The changes between two recipes, as a command line or an address has them."""

import pytest

from kdcore.recipe import library, overrides, with_overrides


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["epochs=3", "terms.1.temperature=8.0", "data.labels=all"],
        ["terms.1.weight={linear: [1.0, 0.1]}", "seeds=[1, 2]", "student.model=tiny"],
        ["terms=[{method: ce}]", "teacher=null", "twin=false"],
        ["terms.0.name=labels", "data.augment=[]"],
    ],
)
def test_the_changes_between_two_recipes_make_the_one_of_the_other(changes):
    recipe = library.recipe("quick")
    changed = with_overrides(recipe, changes)
    found = overrides(recipe, changed)
    assert with_overrides(recipe, found) == changed
    assert len(found) == len(changes)
