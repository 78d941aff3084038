"""The form's augmentation, mixtures, averaged weights and image sizes: what is chosen is what starts."""

from tests.pages.test_train import button, widget


def test_what_is_chosen_is_what_starts(open_page, runner):
    test = open_page("train.py")
    widget(test, "multiselect", "Augmentation").set_value(["flip", "rand_augment"])
    widget(test, "number_input", "Mixup, alpha").set_value(0.2)
    widget(test, "number_input", "Erasing, probability").set_value(0.25)
    widget(test, "number_input", "Averaged weights, decay").set_value(0.99)
    widget(test, "number_input", "Batch in parts").set_value(2)
    widget(test, "number_input", "Teacher's image size, pixels").set_value(96)
    test.run()
    assert not test.exception
    button(test, "Start training").click().run()
    (recipe,) = runner.started
    assert (recipe.data.augment, recipe.data.resized_crop, recipe.data.rand_augment.magnitude) == (("flip",), None, 9)
    assert (recipe.data.mixup, recipe.data.cutmix, recipe.data.erasing) == (0.2, 0.0, 0.25)
    assert (recipe.optimizer.ema, recipe.optimizer.accumulate, recipe.teacher_size) == (0.99, 2, 96)


def test_a_preset_s_settings_stay_as_they_are(open_page, runner):
    test = open_page("train.py")
    button(test, "Start training").click().run()
    (recipe,) = runner.started
    assert not recipe.data.augmented
    assert (recipe.optimizer.ema, recipe.teacher.image_size) == (0, None)
