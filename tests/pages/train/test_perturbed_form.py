"""The form's curves on perturbed images: which sets are offered, what they cost, and that what is chosen is what starts."""

import pytest

from kdcore.checks import perturbed_sets
from kdcore.errors import UserError
from kdcore.recipe import Recipe
from pages.parts.train import fields
from tests.pages.test_train import button, texts, widget

LABEL = "Curves on perturbed images"


def test_what_is_chosen_is_what_starts_and_what_it_costs_is_shown(open_page, runner):
    test = open_page("train.py")
    assert "Perturbed images" not in test.table[0].value.to_string()
    widget(test, "multiselect", LABEL).set_value(["low_pass@6", "patch_scramble@4"])
    test.run()
    assert not test.exception
    widget(test, "number_input", "Images of each set").set_value(150)
    test.run()
    assert "300 further images after every epoch of 3,600, without training on them: at most 2.8 % more time." in texts(
        test
    )
    assert "2 × 150 images after every epoch" in test.table[0].value.to_string()
    button(test, "Start training").click().run()
    (recipe,) = runner.started
    assert (recipe.robustness.sets, recipe.robustness.images) == (("low_pass@6", "patch_scramble@4"), 150)


def test_without_a_set_nothing_is_measured(open_page, runner):
    test = open_page("train.py")
    assert not [each for each in test.number_input if each.label == "Images of each set"]
    button(test, "Start training").click().run()
    assert runner.started[0].robustness.sets == ()


def test_the_sets_of_the_data_are_offered_in_words(open_page):
    options = widget(open_page("train.py"), "multiselect", LABEL).options
    assert {"Scrambled patches (4)", "Low-pass (6)", "Silhouettes"} <= set(options)
    assert "Superpixels, 50" not in options


def test_no_more_images_are_suggested_than_there_are_for_validation(open_page):
    test = open_page("train.py")
    widget(test, "number_input", "Training images").set_value(1000)
    widget(test, "multiselect", LABEL).set_value(["low_pass@6"])
    test.run()
    assert widget(test, "number_input", "Images of each set").value == 100
    assert not test.error


def test_a_set_that_is_misspelt_is_named_where_it_is_typed():
    wrong = Recipe(student={"model": "three_stage_cnn_16"}, robustness={"sets": ["low_pas@6"]})
    with pytest.raises(UserError, match=r"^`robustness.sets`: Unknown test set 'low_pas'. Did you mean") as found:
        perturbed_sets.check(wrong)
    assert fields.section_of(str(found.value)) == "length"
    assert f"({LABEL})" in fields.labelled(str(found.value))
