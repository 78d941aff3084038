"""The page Train: the form that starts a run, and the run as it learns."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from kdcore.checks.findings import Finding, Remedy, TeacherCheck
from kdcore.events import RunFailed
from kdcore.recipe import DataRecipe
from pages.parts.roles import role


def texts(test: AppTest) -> str:
    """All text on the page."""
    kinds = ("title", "subheader", "markdown", "caption", "error", "warning", "info", "latex", "code")
    return "\n".join(str(element.value) for kind in kinds for element in test.get(kind))


def widget(test: AppTest, kind: str, label: str):
    (found,) = [w for w in test.get(kind) if w.label == label]
    return found


def button(test: AppTest, label: str):
    return widget(test, "button", label)


def labels_of(test: AppTest) -> list[str]:
    return [b.label for b in test.button]


def test_the_quick_preset_is_ready_to_start(open_page, runner):
    test = open_page("train.py")
    assert not test.exception
    assert not test.error
    assert r"0.9 \; \tau^2\,\mathrm{KL}" in test.latex[0].value
    button(test, "Start training").click().run()
    (recipe,) = runner.started
    assert (recipe.name, recipe.data.labels, recipe.teacher.weights) == ("quick", 500, "cues-teacher")
    assert test.query_params["run"] == runner.store.ids()[0]
    assert test.title[0].value == "quick"


def test_the_cost_is_estimated_before_the_start(open_page):
    said = open_page("train.py").table[0].value.to_string()
    assert "about 1 min 44 s" in said
    assert "24,570 parameters, 31 million FLOPs an image" in said
    assert "3,600 × 8 epochs = 496 steps" in said


def test_downloads_are_listed_beside_the_cost(open_page, runner):
    runner.downloads = ("The images of cifar10 are not on this machine yet.",)
    assert [warning.value for warning in open_page("train.py").warning] == list(runner.downloads)


def test_one_epoch_is_not_written_as_several(open_page):
    tuned = "teacher={weights: cues-teacher, finetune: {epochs: 1}}"
    test = open_page("train.py", preset="quick", set=["epochs=1", "lr={warmup_epochs: 0}", tuned])
    assert "3,600 × 1 epoch = 496 steps" in test.table[0].value.to_string()
    assert widget(test, "selectbox", "Teacher").value == "cues-teacher, fine-tuned first (1 epoch)"


def test_what_is_chosen_is_what_starts(open_page, runner):
    test = open_page("train.py")
    weights = [s for s in test.slider if s.label.startswith("Weight of ")]
    weights[1].set_value(0.5)
    widget(test, "slider", "Temperature of kd").set_value(2.0)
    widget(test, "number_input", "Epochs").set_value(3)
    widget(test, "text_input", "Seeds").set_value("0, 1")
    widget(test, "toggle", "Also train its twin").set_value(False)
    test.run()
    assert r"0.5 \; \tau^2" in test.latex[0].value
    assert r"\tau = 2" in test.latex[0].value
    assert "about 3 min 28 s for 2 runs" in test.table[0].value.to_string()
    button(test, "Start training").click().run()
    (recipe,) = runner.started
    kd = recipe.terms[1]
    assert (kd.method, kd.weight, kd.temperature) == ("kd", 0.5, 2.0)
    assert (recipe.epochs, recipe.seeds, recipe.twin) == (3, (0, 1), False)


def test_caching_the_teacher_s_outputs_shows_what_it_takes_and_saves(open_page, runner):
    test = open_page("train.py")
    assert "computed in every step, 40 % of the time" in test.table[0].value.to_string()
    keep = widget(test, "toggle", "Cache the teacher's outputs")
    keep.set_value(True).run()  # nothing is augmented, so one view is all there is
    said = test.table[0].value.to_string()
    assert "cached, 1.5 MB on disk: from epoch 2 on a step takes 40 % less time" in said
    button(test, "Start training").click().run()
    (recipe,) = runner.started
    assert (recipe.teacher.weights, recipe.teacher.cache_views, recipe.kept_views) == ("cues-teacher", 8, 1)


def test_a_run_without_epochs_to_save_caches_the_outputs_for_others(open_page):
    test = open_page("train.py")
    widget(test, "toggle", "Cache the teacher's outputs").set_value(True)
    widget(test, "number_input", "Epochs").set_value(1).run()
    assert "on disk for other runs; this one computes them in every step" in test.table[0].value.to_string()


def test_what_is_refused_before_a_run_is_said_in_its_section_and_beside_the_button_where_that_is(open_page, runner):
    reason = "The recipe has no teacher, but kd needs one: choose a teacher (`teacher`), or remove the term."
    runner.findings = (
        Finding("recipe", "stop", reason, final=True),
        Finding("pairing", "warn", "kd: with two classes"),
    )
    test = open_page("train.py")
    assert [error.value for error in test.error] == [reason]
    assert [warning.value for warning in test.warning] == ["kd: with two classes"]
    assert texts(test).count(reason) == 1
    assert ":red[:material/block:] Change what is marked in red under Networks." in texts(test)
    assert button(test, "Start training").disabled


def test_a_preset_s_note_goes_when_the_form_differs_from_it(open_page, runner):
    test = open_page("train.py")
    test.file_uploader[0].set_value(("mine.yaml", b"{student: {model: tiny}, note: Few labels here.}", "")).run()
    note = "Few labels here."
    widget(test, "text_input", "Seeds").set_value("4").run()
    assert note in texts(test)
    widget(test, "number_input", "Labelled images").set_value(1000).run()
    assert note not in texts(test)
    button(test, "Start training").click().run()
    assert runner.started[0].note == ""


def test_a_link_with_other_settings_comes_without_the_preset_s_note(open_page, tmp_path, runner):
    """The note of a recipe with 500 labels was shown above, and stored with, a run of 1,000."""
    preset = tmp_path / "recipes" / "quick.yaml"
    preset.write_text(preset.read_text() + "note: 500 labels here.\n")
    assert "500 labels here." in texts(open_page("train.py", set=["seeds=[4]"]))
    test = open_page("train.py", set=["data.labels=1000"])
    assert "500 labels here." not in texts(test)
    button(test, "Start training").click().run()
    assert (runner.started[0].data.labels, runner.started[0].note) == (1000, "")


def test_a_message_names_the_field_of_each_key(open_page, runner):
    reason = "`data.batch_size` is 1, and resnet18 normalises over a batch: `student.options` or `data.batch_size`, not `all`."
    runner.findings = (Finding("recipe", "stop", reason, final=True),)
    (error,) = open_page("train.py").error
    assert error.value.startswith("`data.batch_size` (Batch size) is 1, and")
    assert "`student.options` (in the full recipe (YAML) below) or `data.batch_size`, not `all`." in error.value


def test_a_warmup_is_shortened_to_fit_the_run(open_page, runner):
    test = open_page("train.py")
    test.file_uploader[0].set_value(
        ("mine.yaml", b"{student: {model: tiny}, epochs: 4, lr: {warmup_epochs: 2}}", "")
    ).run()
    widget(test, "number_input", "Epochs").set_value(1).run()
    assert not test.error
    assert "Shortened to 0.5: it ends within the run." in texts(test)
    button(test, "Start training").click().run()
    assert (runner.started[0].epochs, runner.started[0].lr.warmup_epochs) == (1, 0.5)


def test_more_labels_than_images_are_refused(open_page):
    test = open_page("train.py")
    widget(test, "number_input", "Labelled images").set_value(3700).run()
    assert "choose 10 to 3,600, or `all`" in test.error[0].value


@pytest.mark.parametrize("labels, accepted", [(9, False), (10, True), (3600, True), (3601, False)])
def test_labels_for_each_class_and_up_to_the_number_of_images_are_accepted(open_page, labels, accepted):
    test = open_page("train.py")
    widget(test, "number_input", "Labelled images").set_value(labels).run()  # 3,600 of 4,000 are for training
    assert bool(test.error) != accepted
    assert button(test, "Start training").disabled != accepted


def test_a_teacher_for_other_classes_is_refused(open_page):
    test = open_page("train.py")
    widget(test, "selectbox", "Teacher").set_value("Another network …").run()
    widget(test, "text_input", "Network name").set_value("vit_tiny_patch16_224")
    widget(test, "number_input", "Fine-tune first, epochs").set_value(0).run()
    assert "1000 classes, cues has 10" in test.error[0].value


def test_a_folder_needs_its_path(open_page):
    test = open_page("train.py")
    test.button_group[0].set_value("folder").run()
    assert not test.error
    assert "Type the folder of your images, or upload it as a ZIP file." in texts(test)
    assert widget(test, "button", "Start training").disabled


def test_seeds_are_numbers(open_page):
    test = open_page("train.py")
    widget(test, "text_input", "Seeds").set_value("zero").run()
    assert "`seeds.0`" in test.error[0].value


def test_a_recipe_that_cannot_be_tried_cannot_be_started(open_page, runner):
    runner.too_big = "There is no model 'resnet_9000'. Did you mean 'resnet50'?"
    test = open_page("train.py")
    assert test.error[0].value == runner.too_big
    assert button(test, "Start training").disabled


def test_what_the_runner_refuses_is_said(open_page, runner):
    test = open_page("train.py")
    runner.refusal = "The runner is closed; start the program again."
    button(test, "Start training").click().run()
    assert test.error[0].value == runner.refusal


def test_nothing_is_tried_beside_a_run_unless_asked(open_page, runner, make_run):
    runner.busy = (make_run("running", name="first"),)
    test = open_page("train.py")
    assert runner.tried == 0
    assert "It will be queued: first is training now." in texts(test)
    button(test, "Estimate now").click().run()
    assert runner.tried == 1


def test_an_edited_text_fills_the_form(open_page):
    test = open_page("train.py")
    test.text_area[0].set_value(test.text_area[0].value.replace("epochs: 8", "epochs: 5"))
    button(test, "Apply").click().run()
    assert not test.error
    assert widget(test, "number_input", "Epochs").value == 5
    assert widget(test, "selectbox", "Start from").value == "Edited recipe"


@pytest.mark.parametrize(
    "weight, temperature, most", [(0.9, 4, (1, 10)), (1, 10, (1, 10)), (3, 20, (6, 40)), (0, 0.25, (1, 10))]
)
def test_a_slider_reaches_beyond_the_value_of_the_recipe(open_page, runner, weight, temperature, most):
    test = open_page("train.py")
    kd = f"{{method: kd, weight: {weight}, temperature: {temperature}}}"
    test.text_area[0].set_value(
        f"student: {{model: tiny}}\nteacher: {{weights: cues-teacher}}\nterms: [{{method: ce}}, {kd}]"
    )
    button(test, "Apply").click().run()
    assert not test.error
    sliders = [[s for s in test.slider if s.label.startswith(label)][-1] for label in ("Weight of", "Temperature of")]
    assert tuple(slider.max for slider in sliders) == most
    assert [slider.value for slider in sliders] == [weight, temperature]
    assert all(slider.min <= slider.value <= slider.max for slider in sliders)
    button(test, "Start training").click().run()
    assert [(term.weight, term.temperature) for term in runner.started[0].terms][1] == (weight, temperature)


def test_a_text_with_a_mistake_says_which(open_page):
    test = open_page("train.py")
    test.text_area[0].set_value("student: {model: tiny}\nepoch: 5\n")
    button(test, "Apply").click().run()
    assert "`epoch` is not a known key. Did you mean `epochs`?" in test.error[0].value
    assert widget(test, "selectbox", "Start from").value == "quick"


def test_a_recipe_from_a_file_fills_the_form(open_page):
    test = open_page("train.py")
    test.file_uploader[0].set_value(
        ("mine.yaml", b"{name: mine, student: {model: three_stage_cnn}, epochs: 4}", "")
    ).run()
    assert widget(test, "selectbox", "Start from").value == "mine.yaml"
    assert widget(test, "number_input", "Epochs").value == 4


def test_a_file_that_is_no_recipe_says_why(open_page):
    test = open_page("train.py")
    test.file_uploader[0].set_value(("mine.yaml", b"\xff\x00 [", "")).run()
    assert "mine.yaml is not UTF-8 text: save it as UTF-8" in test.error[0].value


HOSTILE = {
    "deep": ("[" * 100_000 + "]" * 100_000 + "\nstudent: {model: tiny}", "nested too deeply here: at most 50 levels are allowed"),
    "aliases": ("student: {model: tiny}\na: &a [x]\nb: &b [*a, *a]", "anchors (&) and aliases (*) are not supported"),
    "unknown keys": ("".join(f"key{n}: 1\n" for n in range(9_000)), "- and 8,9"),
    "long keys": ("".join(f"{'k' * 190}{n}: 1\n" for n in range(4_000)), "is not a known key"),
    "terms": ("student: {model: tiny}\nterms: [" + "{method: ce}, " * 9_000 + "]", "`terms` has 9,000 entries; at most 50 are"),
    "seeds": ("student: {model: tiny}\nseeds: [" + "0, " * 300_000 + "]", "the list has too many entries: at most 10,000"),
    "some seeds": ("student: {model: tiny}\nseeds: [" + "0, " * 9_000 + "]", "`seeds` has 9,000 entries; at most 1,000 are"),
    "long": ("student: {model: tiny}\nnote: " + "x " * 5_000_000, "This text is too long: at most 1 MB of text are allowed"),
    "date": ("student: {model: tiny}\nnote: 2026-02-30", "line 2, `note`: '2026-02-30' is a date"),
    "digits": (f"student: {{model: tiny}}\nepochs: {'9' * 5000}", "a number of 5,000 characters"),
    "infinite": ("student: {model: tiny}\noptimizer: {lr: .inf}", "`optimizer.lr`: '.inf' is not a finite number"),
    "twice": ("student: {model: tiny}\nepochs: 3\nepochs: 30", "`epochs`: the key is there twice (lines 2 and 3)"),
    "path": (f"student: {{model: tiny}}\ndata: {{name: folder, path: {'x' * 5000}}}", "`data.path` cannot be used: it has"),
    "factor": (
        "student: {model: tiny}\nterms: [{method: ce, weight: {steps: {start: 1, factor: 1.0e+300, at: [2, 3]}}}]",
        "the numbers must be finite",
    ),
    "schedule": (
        "student: {model: tiny}\nterms: [{method: ce, weight: {piecewise: [" + "[1, 2], " * 2_000 + "]}}]",
        "2,000 epochs; at most 1,000 are allowed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_ends_the_page(open_page, name):
    text, told = HOSTILE[name]
    test = open_page("train.py")
    test.text_area[0].set_value(text)
    button(test, "Apply").click().run()
    assert not test.exception
    assert told in test.error[0].value.replace("\\", "")  # what Markdown would read otherwise is escaped
    assert test.error[0].value.startswith("This text")
    assert len(test.error[0].value) < 5000
    button(test, "Start training")  # the form is as it was
    assert widget(test, "selectbox", "Start from").value == "quick"


@pytest.mark.parametrize(
    "data, told",
    [
        ("student: {model: tiny}\nnote: é".encode("latin-1"), "mine.yaml is not UTF-8 text: save it as UTF-8. Line 2"),
        ("student: {model: tiny}".encode("utf-16"), "It looks like UTF-16"),
        (b"[" * 500_000, "mine.yaml is not valid YAML: line 1"),
        (b"x" * 5_000_000, "mine.yaml is too long: at most 1 MB of text are allowed."),
        (b"student: {model: tiny}\nepochs: 3\nepochs: 30", "`epochs`: the key is there twice (lines 2 and 3)"),
        (
            b"student: {model: tiny}\nterms: [{method: ce}]\nterms: []",
            "`terms`: the key is there twice (lines 2 and 3)",
        ),
        (
            b"student: {model: tiny, options: {a: &a [x], b: [*a]}}",
            "line 1, `student.options.a`: &a: anchors (&) and aliases",
        ),
        (
            b"student: {model: tiny}\nnote: 2026-02-30",
            "mine.yaml is not valid YAML: line 2, `note`: '2026-02-30' is a date",
        ),
    ],
)
def test_no_file_ends_the_page(open_page, data, told):
    test = open_page("train.py")
    test.file_uploader[0].set_value(("mine.yaml", data, "")).run()
    assert not test.exception
    assert told in test.error[0].value.replace("\\", "")  # what Markdown would read otherwise is escaped


@pytest.mark.parametrize(
    "settings",
    [
        "optimizer: {lr: 20}",
        "optimizer: {lr: 1.0e-9}",
        "data: {labels: 0}",
        "data: {validation: 0.899}",
        "epochs: 10000",
        "terms: [{method: ce, weight: {steps: {start: 1, factor: -1, at: [500]}}}]",
        "terms: [{method: ce, to_epoch: 10000}, {method: kd}]",
        "terms: [{method: kd, adapt: {factor: 0.001, patience: 10000}}]",
    ],
)
def test_the_form_shows_every_value_that_a_recipe_accepts(open_page, settings):
    test = open_page("train.py")
    test.file_uploader[0].set_value(("mine.yaml", f"student: {{model: tiny}}\n{settings}".encode(), "")).run()
    assert not test.exception
    assert widget(test, "selectbox", "Start from").value == "mine.yaml"


def test_a_file_with_an_unknown_dataset_is_refused(open_page):
    test = open_page("train.py")
    test.file_uploader[0].set_value(("mine.yaml", b"student: {model: tiny}\ndata: {name: cifar}", "")).run()
    assert not test.exception
    assert "Unknown dataset 'cifar'. Did you mean 'cifar10'" in test.error[0].value
    assert widget(test, "selectbox", "Start from").value == "quick"


def test_an_unknown_method_is_refused_before_the_form_shows_it(open_page):
    test = open_page("train.py")
    test.file_uploader[0].set_value(("mine.yaml", b"student: {model: tiny}\nterms: [{method: kdd}]", "")).run()
    assert not test.exception
    assert "`terms.0.method`: unknown method 'kdd'. Did you mean" in test.error[0].value
    assert widget(test, "selectbox", "Start from").value == "quick"
    test = open_page("train.py", set=["terms=[{method: kdd}]"])
    assert not test.exception
    assert "The settings of this address are not used: `terms.0.method`: unknown method 'kdd'." in test.error[0].value


def test_another_dataset_starts_from_its_own_settings(open_page, runner):
    test = open_page("train.py")
    test.file_uploader[0].set_value(
        ("mine.yaml", b"student: {model: tiny}\ndata: {texture_agreement: 0.9, labels: 50}", "")
    ).run()
    test.button_group[0].set_value("cifar10").run()
    button(test, "Start training").click().run()
    assert runner.started[0].data == DataRecipe(name="cifar10", image_size=32)


def test_a_seed_that_is_named_twice_is_refused(open_page):
    test = open_page("train.py")
    widget(test, "text_input", "Seeds").set_value("1 1 1").run()
    assert "names one twice: 1, 1, 1. The runs would be identical: give each seed once" in texts(test)
    assert button(test, "Start training").disabled


@pytest.mark.parametrize("seeds", ["9" * 5000, "5000000000", "0, x"])
def test_seeds_that_are_none_are_refused_beside_the_length(open_page, seeds):
    test = open_page("train.py")
    widget(test, "text_input", "Seeds").set_value(seeds).run()
    assert not test.exception
    assert re.match(r"`seeds\.[01]` \(Seeds\) should be", test.error[0].value)


def test_a_schedule_without_end_is_refused(open_page):
    test = open_page("train.py")
    term(test, "kd", "selectbox", "Weight over the run").set_value("piecewise").run()
    term(test, "kd", "text_input", "Epoch: value, …").set_value("1: inf, 2: 1").run()
    assert not test.exception
    assert "are not valid: '1: inf, 2: 1'" in test.error[0].value


def test_a_run_can_be_the_start_of_another(open_page, make_run):
    run_id = make_run(name="first try")
    test = open_page("train.py", like=run_id)
    assert widget(test, "selectbox", "Start from").value.startswith("From run first try")
    assert widget(test, "number_input", "Epochs").value == 2


def term(test: AppTest, label: str, kind: str, what: str):
    """A widget of one term: its key says which term it belongs to."""
    (found,) = [w for w in test.get(kind) if w.label == what and f"{label}-quick" in w.key]
    return found


def test_a_schedule_is_chosen_by_widgets_and_drawn_before_the_run(open_page, runner):
    test = open_page("train.py")
    term(test, "kd", "selectbox", "Temperature over the run").set_value("linear").run()
    term(test, "kd", "number_input", "From").set_value(3.0)
    term(test, "kd", "number_input", "To").set_value(1.0).run()
    assert "3 → 1, linear" in texts(test)
    assert len(test.get("vega_lite_chart")) == 3  # weights, temperature, learning rate
    button(test, "Start training").click().run()
    assert runner.started[0].terms[1].temperature == {"linear": [3.0, 1.0]}


def test_points_that_cannot_be_read_are_refused_beside_the_terms(open_page):
    test = open_page("train.py")
    term(test, "kd", "selectbox", "Weight over the run").set_value("piecewise").run()
    term(test, "kd", "text_input", "Epoch: value, …").set_value("1: 3, 20").run()
    assert "`terms.1.weight`" in test.error[0].value
    assert button(test, "Start training").disabled


def test_a_term_can_count_in_some_epochs_and_adapt(open_page, runner):
    test = open_page("train.py")
    term(test, "attention", "number_input", "Active from epoch").set_value(3)
    term(test, "attention", "number_input", "Until epoch").set_value(5)
    term(test, "attention", "toggle", "Lower the weight on a plateau").set_value(True).run()
    assert "epochs 3 to 5" in texts(test)
    assert "The weight of attention may fall below this" in texts(test)
    button(test, "Start training").click().run()
    chosen = runner.started[0].terms[2]
    assert (chosen.from_epoch, chosen.to_epoch, chosen.adapt.watch) == (3, 5, "kd")


def test_a_method_is_added_with_its_cards_weight_and_its_options(open_page, runner):
    test = open_page("train.py")
    chosen = widget(test, "multiselect", "Terms of the loss")
    assert "Hints (features)" in chosen.options
    chosen.set_value(["ce", "kd", "fitnets"]).run()
    term(test, "fitnets", "toggle", "Normalise").set_value(True)
    term(test, "fitnets", "text_input", "Pairs").set_value("[[0, 0]]").run()
    button(test, "Start training").click().run()
    added = runner.started[0].terms[2]
    assert (added.method, added.weight, added.options) == ("fitnets", 0.5, {"normalise": True, "pairs": [[0, 0]]})


def test_options_that_are_left_alone_stay_out_of_the_recipe(open_page, runner):
    test = open_page("train.py")
    button(test, "Start training").click().run()
    assert [term.options for term in runner.started[0].terms] == [{}, {}, {}]


def test_wrong_labels_and_the_weighting_are_plain_settings(open_page, runner):
    test = open_page("train.py")
    widget(test, "number_input", "Wrong labels, %").set_value(20)
    widget(test, "button_group", "Weighting of the terms").set_value("gradients").run()
    assert "with the same ones missing or wrong" in texts(test)
    assert "have the same gradient norm" in texts(test)
    button(test, "Start training").click().run()
    assert (runner.started[0].data.label_noise, runner.started[0].weighting) == (0.2, "gradients")


def test_exact_or_fast_precision_is_a_choice(open_page, runner):
    test = open_page("train.py")
    widget(test, "button_group", "Precision").set_value("exact").run()
    button(test, "Start training").click().run()
    assert runner.started[0].precision == "exact"


def test_a_pairing_that_is_refused_says_why_beside_the_terms(open_page, runner):
    runner.findings = (Finding("pairing", "stop", "The term 'attention' cannot be used here: no maps."),)
    test = open_page("train.py")
    assert test.error[0].value == runner.findings[0].finding
    assert button(test, "Start training").disabled


def test_the_weights_are_translated_into_other_conventions(open_page):
    said = open_page("train.py").table[1].value.to_string()
    assert "without the square of the temperature" in said
    assert "14.4" in said  # 0.9 times 4 squared
    assert "alpha on cross-entropy" in said


def test_the_teacher_check_is_beside_the_button(open_page):
    assert "95.8 % correct on 300 images" in texts(open_page("train.py"))


def test_the_teacher_check_says_which_images_were_its_own(open_page, runner):
    runner.checked = TeacherCheck((), {"top1": 0.873, "seen": 0.967}, 150, 0.5)
    assert "87.3 % correct on 150 images, 97 % of which it was trained on" in texts(open_page("train.py"))
    runner.checked = TeacherCheck((), {"top1": 0.873, "seen": 0.0}, 150, 0.5)
    assert "trained on" not in texts(open_page("train.py")).partition("87.3 % correct on 150 images")[2][:40]


STOP = Finding(
    "accuracy", "stop", "It knows nothing.", (Remedy("Tune it", ("teacher.finetune={epochs: 3}",)), Remedy("Ask"))
)


def test_a_teacher_that_should_not_teach_blocks_the_start_and_its_remedy_is_a_button(open_page, runner):
    runner.checked = TeacherCheck((STOP,), {"top1": 0.1}, 300, 0.5)
    test = open_page("train.py")
    assert test.error[0].value == "It knows nothing."
    assert button(test, "Start training").disabled
    runner.checked = TeacherCheck((), {})
    button(test, "Tune it").click().run()
    assert widget(test, "selectbox", "Teacher").value == "cues-teacher, fine-tuned first (3 epochs)"
    button(test, "Start training").click().run()
    assert runner.started[0].teacher.finetune.epochs == 3


def test_a_teacher_can_be_accepted_as_it_is(open_page, runner):
    runner.checked = TeacherCheck((STOP,), {"top1": 0.1}, 300, 0.5)
    test = open_page("train.py")
    button(test, "Run anyway").click().run()
    assert not test.error
    assert test.warning[0].value == "It knows nothing."
    button(test, "Start training").click().run()
    assert runner.started[0].teacher.accept


def test_a_teacher_that_takes_long_is_examined_when_asked(open_page, runner):
    runner.unasked = False
    test = open_page("train.py")
    assert "95.8 %" not in texts(test)
    button(test, "Check the teacher").click().run()
    assert "95.8 % correct on 300 images" in texts(test)


@pytest.mark.parametrize(
    "status", ["queued", "preparing", "running", "paused", "finished", "stopped", "failed", "interrupted"]
)
def test_a_run_is_drawn_in_every_state(open_page, make_run, status):
    test = open_page("train.py", run=make_run(status))
    assert not test.exception
    assert test.title[0].value == "quick"


def test_a_run_of_this_process_can_be_steered(open_page, runner, make_run):
    run_id = make_run("running")
    runner.busy = (run_id,)
    test = open_page("train.py", run=run_id)
    assert "epoch 0.9 of 2" in texts(test)
    button(test, "Pause").click().run()
    button(test, "Stop the run").click().run()
    assert runner.told == [("pause", run_id), ("stop", run_id)]


def test_a_paused_run_goes_on(open_page, runner, make_run):
    run_id = make_run("paused")
    runner.busy = (run_id,)
    test = open_page("train.py", run=run_id)
    assert labels_of(test) == ["Continue", "Stop the run", "Start the fork", "Undo", "Reset"]
    button(test, "Continue").click().run()
    assert runner.told == [("unpause", run_id)]


def test_a_run_of_another_process_is_controlled_too(open_page, runner, make_run):
    run_id = make_run("running")
    test = open_page("train.py", run=run_id)
    assert "Trained by another process: changes take effect within a second." in texts(test)
    button(test, "Pause").click().run()
    assert runner.told == [("pause", run_id)]


def test_a_knob_is_turned(open_page, runner, make_run):
    run_id = make_run("running", knobs={"weight/kd": 2.0})
    runner.busy = (run_id,)
    test = open_page("train.py", run=run_id)
    by_label = {slider.label.partition(":")[0]: slider for slider in test.slider}
    assert by_label["Weight of kd"].value == 2.0
    by_label["Learning rate"].set_value(0.5).run()
    assert ("set_knob", run_id, "learning_rate", 0.5) in runner.told


def test_the_result_is_a_sentence_for_a_visitor(open_page, make_run):
    test = open_page("train.py", run=make_run())
    assert (
        test.subheader[0].value
        == "+20.0 percentage points (95 % interval +16.3 to +23.7): the student is better than its twin."
    )
    assert [m.value for m in test.metric] == ["95.8 %", "62.0 %", "42.0 %"]
    assert "500 of 3,600 training images are labelled" in test.title[0].help


def test_a_failed_run_says_why_and_can_be_resumed(open_page, runner, make_run):
    run_id = make_run("failed")
    test = open_page("train.py", run=run_id)
    assert test.error[0].value.startswith("The loss is not finite at step 10.")
    assert "FloatingPointError" in texts(test)
    button(test, "Resume").click().run()
    assert runner.told == [("resume", run_id)]


def test_a_run_that_is_not_there_leads_on(open_page):
    test = open_page("train.py", run="../secrets")
    assert "Run not found" in test.warning[0].value
    assert not test.exception


def test_a_run_that_ended_for_want_of_memory_offers_half_the_batch(open_page, runner, make_run):
    run_id = make_run("failed")
    with runner.store.writer(run_id) as writer:
        writer.append(RunFailed("The memory of this machine is full, at 64 images at a time."))
    test = open_page("train.py", run=run_id)
    button(test, "Try again with half the batch").click().run()
    (recipe,) = runner.started
    assert (recipe.data.batch_size, recipe.optimizer.accumulate) == (64, 2)
    assert test.query_params["run"] != run_id


def test_a_run_that_failed_otherwise_offers_no_smaller_batch(open_page, make_run):
    assert "Try again with half the batch" not in labels_of(open_page("train.py", run=make_run("failed")))


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-30",
        "9" * 5000,
        ".inf",
        "x" * 5000,
        "\0",
        "[" * 2000,
        "&a [*a]",
        "../../etc/passwd",
        "<b>`*_[x](y)",
        "no",
    ],
)
def test_nothing_typed_into_a_field_shows_more_than_sentences(open_page, value):
    test = open_page("train.py")
    widget(test, "selectbox", "Teacher").set_value("Another network …")
    test.multiselect[0].set_value([*test.multiselect[0].value, "fitnets"])
    test.button_group[0].set_value("folder").run()
    for field in test.text_input:
        field.set_value(value)
    test.run()
    assert not test.exception
    assert test.error
    for shown in test.error:
        assert not re.search(r"\w+Error\b|Traceback|Exception", shown.value)
        assert len(shown.value) < 2500


@pytest.mark.parametrize("name", ["like", "method", "run"])
@pytest.mark.parametrize("value", ["x" * 5000, "2026-02-30", "\0", "../..", "*a"])
def test_nothing_in_the_address_shows_more_than_sentences(open_page, name, value):
    test = open_page("train.py", **{name: value})
    assert not test.exception
    assert test.title


def test_the_traceback_of_a_failed_run_is_the_operator_s(open_page, make_run, monkeypatch):
    run_id = make_run("failed")
    assert "FloatingPointError" in texts(open_page("train.py", run=run_id))
    monkeypatch.setattr(role, "is_operator", lambda: False)
    test = open_page("train.py", run=run_id)
    assert test.error[0].value.startswith("The loss is not finite at step 10.")
    assert "FloatingPointError" not in texts(test)


def test_weights_of_the_student_that_saw_the_test_images_are_warned_of_beside_the_networks(open_page, runner):
    remedy = Remedy("Hold out the test images that it was not trained on", ("data.test_seed=7",))
    runner.findings = (
        Finding("student", "warn", "The student begins with weights that were trained on 50 % of them.", (remedy,)),
    )
    test = open_page("train.py")
    assert [each.value for each in test.warning] == [runner.findings[0].finding]
    button(test, remedy.title).click().run()
    runner.findings = ()
    button(test, "Start training").click().run()
    assert runner.started[0].data.test_seed == 7
