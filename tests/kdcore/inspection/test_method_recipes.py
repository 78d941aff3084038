import pytest

from kdcore import methods, models
from kdcore.data import loading
from kdcore.inspection import method_cards, method_recipes


@pytest.mark.parametrize("name", methods.names())
def test_the_recipe_that_tries_a_method_fits_the_networks_that_come_with_the_project(name):
    recipe = method_recipes.trial(method_cards.entry(name))
    classes, side = loading.classes(recipe.data), recipe.data.image_size
    student = models.build(recipe.student, classes, side).shapes()
    teacher = models.build(recipe.teacher, classes, side).shapes() if recipe.teacher else None
    for term in recipe.terms:
        methods.build(term, student, teacher)
    assert recipe.terms[-1].method == name


@pytest.mark.parametrize(("name", "labels"), [("kd", 0.1), ("dkd", 1.0), ("attention", 1.0)])
def test_labels_count_beside_a_method_as_where_its_weight_comes_from(name, labels):
    assert method_recipes.trial(method_cards.entry(name)).terms[0].weight == labels


def test_a_method_without_a_teacher_is_tried_without_one():
    recipe = method_recipes.trial(method_cards.entry("ce"))
    assert (recipe.teacher, recipe.twin, [term.label for term in recipe.terms]) == (None, False, ["ce"])
