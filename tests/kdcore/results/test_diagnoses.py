"""Each fault is diagnosed in the numbers of a run that has it, and not in those of a run that has not."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from kdcore import recipe as recipes
from kdcore.results.diagnoses import Evidence, diagnose

TEN = tuple(f"class {number}" for number in range(10))
PETS = ("cat", "dog")
RECIPE = recipes.from_plain({
    "teacher": {"weights": "cues-teacher"}, "student": {"model": "resnet20"}, "twin": True,
    "terms": [{"method": "ce", "weight": 0.1}, {"method": "kd"}, {"method": "attention", "weight": 0.1}],
})  # fmt: skip


def figures(predicted: np.ndarray, targets: np.ndarray, **more: float) -> dict[str, float]:
    right = int((predicted == targets).sum())
    interval = stats.binomtest(right, len(targets)).proportion_ci(method="wilson")
    return {"top1": right / len(targets), "low": interval.low, "high": interval.high, "count": len(targets), **more}


def evidence(targets, *, classes=TEN, recipe=RECIPE, ece: float = 0.05, **more) -> Evidence:
    """Of the predictions of networks by name; what is not of a network is a field of Evidence."""
    predictions = {name: more.pop(name) for name in ("teacher", "student", "twin") if name in more}
    results = {name: figures(values, targets, ece=ece) for name, values in predictions.items()}
    return Evidence(recipe, results, classes, {"targets": targets, **predictions}, **more)


def right_on(targets: np.ndarray, share: float, classes: int = 10, seed: int = 0) -> np.ndarray:
    """Predictions that are right on a share of the images, elsewhere another class drawn at random."""
    rng = np.random.default_rng((seed, 1))
    others = (targets + rng.integers(1, classes, len(targets))) % classes
    return np.where(rng.permutation(len(targets)) < round(share * len(targets)), targets, others)


TARGETS = np.arange(1000) % 10
HEALTHY = evidence(
    TARGETS, teacher=right_on(TARGETS, 0.99), student=right_on(TARGETS, 0.8, seed=1), twin=right_on(TARGETS, 0.7, seed=2),
    series={"loss/student/ce": ([1, 50, 100], [2.4, 1.0, 0.7]), "loss/twin/ce": ([1, 50, 100], [2.4, 1.1, 0.9])},
    validation={"student": {"top1": 0.82, "count": 400}}, labelled_images=500,
    gradients={"shares": {"ce": 0.2, "kd": 0.6, "attention": 0.2}, "idle": {}},
)  # fmt: skip


def kinds(found: Evidence) -> list[str]:
    return [diagnosis.kind for diagnosis in diagnose(found)]


def words(found: Evidence, kind: str) -> str:
    (diagnosis,) = (diagnosis for diagnosis in diagnose(found) if diagnosis.kind == kind)
    assert diagnosis.remedy.endswith((".", ").")), "it names the next thing to try"
    return diagnosis.in_words


def healthy(**changes) -> Evidence:
    return dataclasses.replace(HEALTHY, **changes)


def test_a_run_without_faults_and_one_without_results_have_no_diagnosis():
    assert diagnose(HEALTHY) == ()
    assert diagnose(healthy(results={}, predictions=None)) == ()


def test_results_of_an_earlier_version_have_none_either():
    old = {name: {"top1": own["top1"]} for name, own in HEALTHY.results.items()}
    assert diagnose(Evidence(RECIPE, old, ())) == ()
    assert diagnose(Evidence(RECIPE, HEALTHY.results, TEN)) == ()


# --- no better than guessing ---------------------------------------------------------------------------------------------


def test_one_class_after_too_few_steps_names_the_epochs_that_are_enough():
    few = {f"loss/{name}/ce": ([1, 10, 20, 30, 40], [1.1, 1.0, 0.9, 0.8, 0.7]) for name in ("student", "twin")}
    one = np.zeros_like(TARGETS)
    assert (
        "The run had 40 steps, and a network with random weights needs about 100 (so do the running averages of BatchNorm): train "
        "for 25 epochs (epochs=25), or smaller batches (data.batch_size=16)."
    ) in words(evidence(TARGETS, student=one, twin=one, series=few), "one class")
    tuned = recipes.with_overrides(RECIPE, ["student={model: resnet18, weights: pretrained}"])
    assert "40 steps" not in words(evidence(TARGETS, student=one, twin=one, series=few, recipe=tuned), "one class")


def test_two_networks_at_chance_and_what_follows():
    flat = {f"loss/{name}/ce": ([100, 200, 300, 400, 500], [2.3] * 5) for name in ("student", "twin")}
    found = evidence(TARGETS, student=right_on(TARGETS, 0.1), twin=right_on(TARGETS, 0.1, seed=1), series=flat)
    sentence = words(found, "at chance")
    assert (
        "The student gets 10.0 % of the test images right, which cannot be told from chance: guessing gets 10.0 %."
        in sentence
    )
    assert "The twin gets 10.0 %" in sentence
    assert "So the difference between student and twin says nothing about the teacher." in sentence
    assert "optimizer.lr=0.0001" in sentence


def test_what_follows_from_both_is_said_once():
    student = np.zeros_like(TARGETS)  # always the first class
    found = evidence(TARGETS, student=student, twin=right_on(TARGETS, 0.1, seed=1))
    sentence = words(found, "one class") + words(found, "at chance")
    assert sentence.count("So the difference between student and twin says nothing about the teacher.") == 1


def test_a_student_at_chance_whose_loss_fell_is_sent_to_its_labels():
    found = evidence(
        TARGETS, student=right_on(TARGETS, 0.1), twin=right_on(TARGETS, 0.7),
        series={"loss/student/ce": ([100, 200, 300, 400, 500], [2.3, 1.9, 1.0, 0.6, 0.4])},
    )  # fmt: skip
    assert kinds(found) == ["at chance"]
    assert "The training loss fell" in words(found, "at chance")
    assert "says nothing" not in words(found, "at chance")


def test_more_images_are_no_remedy_where_all_test_images_are_of_one_class():
    targets = np.zeros(400, int)
    assert kinds(evidence(targets, classes=PETS, student=targets, twin=targets)) == ["at chance"]


def test_few_images_do_not_show_more_than_chance():
    targets = np.arange(20) % 2
    found = evidence(targets, classes=PETS, student=right_on(targets, 0.65, 2), twin=right_on(targets, 0.6, 2, seed=1))
    assert kinds(found) == ["too few test images"]
    sentence = words(found, "too few test images")
    assert (
        "The student gets 65.0 % of the test images right; guessing gets 50.0 %. So few images do not show" in sentence
    )
    assert "data.test_images" in sentence
    assert not {"chance", "nothing"} & set(sentence.split())
    many = np.arange(2000) % 2
    assert kinds(evidence(many, classes=PETS, student=right_on(many, 0.65, 2))) == []


def test_one_class_is_no_fault_where_nearly_all_images_are_of_it_or_few_are_of_others():
    targets = np.where(np.arange(1000) < 995, 0, 1)
    perfect = evidence(targets, classes=PETS, student=targets.copy())
    assert "one class" not in kinds(perfect)
    two = np.array([0, 1, 0, 1])
    assert "one class" not in kinds(evidence(two, classes=PETS, student=np.zeros(4, int)))
    rare = np.where(np.arange(1000) < 980, 0, 1)
    assert kinds(evidence(rare, classes=PETS, student=np.zeros(1000, int))) == ["one class"]


def test_the_best_guess_is_named_where_classes_are_nearly_as_common():
    targets = np.where(np.arange(1000) < 540, 0, 1)
    sentence = words(evidence(targets, classes=PETS, student=right_on(targets, 0.54, 2)), "at chance")
    assert "which cannot be told from chance: the best guess gets 54.0 %." in sentence


CATS = np.where(np.arange(1000) < 810, 0, 1)  # 81 % are cats


def test_below_the_majority_class():
    found = evidence(CATS, classes=PETS, student=right_on(CATS, 0.616, 2), twin=right_on(CATS, 0.9, 2))
    assert kinds(found) == ["below the majority class"]
    assert "The student gets 61.6 % of the test images right; always predicting 'cat' would get 81.0 %." in words(
        found, "below the majority class"
    )
    assert kinds(evidence(CATS, classes=PETS, student=right_on(CATS, 0.9, 2))) == []


def test_always_one_class():
    dogs = np.ones(1000, int)
    found = evidence(np.arange(1000) % 2, classes=PETS, student=dogs, twin=right_on(np.arange(1000) % 2, 0.9, 2))
    assert kinds(found) == ["one class"]
    assert "The student predicts 'dog' for every test image and so gets 50.0 %" in words(found, "one class")
    dogs = np.where(np.arange(1000) < 5, 0, dogs)
    found = evidence(CATS, classes=PETS, student=dogs, twin=right_on(CATS, 0.9, 2))
    assert "predicts 'dog' for 99.5 % of the test images" in words(found, "one class")


def test_test_images_of_one_class_are_not_held_against_a_network():
    assert "one class" not in kinds(evidence(np.ones(200, int), classes=PETS, student=np.ones(200, int)))


# --- training ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("losses", [[2.3, 9.4, 2.6, 2.5, 2.5], [2.3, 3.0, 8.0, 9.0, 9.0], [2.3, np.nan, np.nan]])
def test_diverged(losses):
    steps, chance = list(range(len(losses))), right_on(TARGETS, 0.1)
    recipe = recipes.with_overrides(RECIPE, ["optimizer.lr=3"])
    found = evidence(TARGETS, recipe=recipe, student=chance, twin=chance, series={"loss/twin/ce": (steps, losses)})
    sentence = words(found, "diverged")
    assert (
        "The learning rate of 3 is probably too high. Try a tenth of it (optimizer.lr=0.3) or a warmup (lr.warmup_epochs=1) or clipped"
        in sentence
    )
    assert "the twin's loss" in sentence
    assert kinds(found)[0] == "diverged"


def test_a_loss_that_rose_and_fell_again_did_not_diverge():
    assert kinds(healthy(series={"loss/student/ce": ([1, 2, 3, 4, 5], [2.3, 9.0, 0.5, 0.5, 0.5])})) == []


def test_steps_without_a_labelled_image_are_no_losses_of_zero():
    assert kinds(healthy(series={"loss/twin/ce": (list(range(8)), [0.0, 0.0, 2.3, 0.0, 2.2, 2.1, 2.0, 1.9])})) == []
    rising = (list(range(7)), [0.0, 2.3, 3.0, 8.0, 0.0, 9.0, 9.0])
    chance = right_on(TARGETS, 0.1)
    found = evidence(TARGETS, student=chance, twin=chance, series={"loss/twin/ce": rising})
    assert "the twin's loss began at 2.3, rose to 9" in words(found, "diverged")


def test_a_few_logged_steps_say_nothing_of_how_a_loss_went():
    rising, chance = ([1, 2, 3, 4], [2.3, 7.0, 8.0, 9.0]), right_on(TARGETS, 0.1)
    found = evidence(TARGETS, student=chance, twin=chance, series={"loss/student/ce": rising})
    assert kinds(found) == ["at chance"]
    assert "The training loss" not in words(found, "at chance")


def test_labels_that_look_shuffled():
    noisy = recipes.with_overrides(RECIPE, ["data.label_noise=0.9"])
    networks = {"teacher": right_on(TARGETS, 0.99), "student": right_on(TARGETS, 0.6), "twin": right_on(TARGETS, 0.1)}
    steps = list(range(20))
    learnt = {"train_top1/student": (steps, [0.15] * 20), "train_top1/twin": (steps, [0.1] * 20)}
    found = evidence(TARGETS, recipe=noisy, labelled_images=3600, series=learnt, **networks)
    sentence = words(found, "labels look shuffled")
    assert "The twin has 3,600 labels and stays at 10.0 %" in sentence
    assert "The recipe makes 90 % of them wrong (data.label_noise)." in sentence
    assert "fine-tune" not in sentence
    few = evidence(TARGETS, labelled_images=50, series=learnt, **networks)  # five a class teach hardly anything
    assert "labels look shuffled" not in kinds(few)
    nothing = evidence(TARGETS, labelled_images=3600, series=learnt, **networks | {"student": right_on(TARGETS, 0.1)})
    assert "labels look shuffled" not in kinds(nothing)  # then something else keeps both from learning


def test_labels_that_a_twin_has_no_time_to_learn_do_not_look_shuffled():
    """In a run of few steps the twin is at chance too; there the student has as many training labels right as test images."""
    networks = {"teacher": right_on(TARGETS, 0.99), "student": right_on(TARGETS, 0.4), "twin": right_on(TARGETS, 0.1)}
    values = {
        "right labels": ([float("nan"), 0.1] * 8 + [0.4, 0.5, 0.3, 0.4], [0.1] * 20, False),
        "wrong labels": ([0.1] * 20, [0.1] * 20, True),
        "wrong labels, learnt by heart": ([0.4] * 20, [0.1] * 15 + [0.9] * 5, True),
    }
    for name, (student, twin, look) in values.items():
        series = {"train_top1/student": (range(20), student), "train_top1/twin": (range(20), twin)}
        found = evidence(TARGETS, labelled_images=3600, series=series, **networks)
        assert ("labels look shuffled" in kinds(found)) is look, name
    assert "labels look shuffled" not in kinds(evidence(TARGETS, labelled_images=3600, **networks))  # not recorded


def test_a_teacher_that_is_sure_and_wrong_points_to_the_labels():
    found = evidence(TARGETS, ece=0.85, teacher=right_on(TARGETS, 0.1), student=right_on(TARGETS, 0.5))
    sentence = words(found, "labels look shuffled")
    assert "It is sure of its predictions, though (expected calibration error 85.0 %)" in sentence
    assert "Look at some training images" in sentence
    assert "fine-tune" not in sentence


def test_a_teacher_that_collapsed_does_not_point_to_the_labels():
    found = evidence(TARGETS, ece=0.85, teacher=np.zeros(1000, int), student=right_on(TARGETS, 0.5))
    assert kinds(found) == ["teacher at chance"]


def test_a_teacher_whose_classes_are_in_another_order():
    found = evidence(TARGETS, ece=0.9, teacher=(right_on(TARGETS, 0.95) + 1) % 10, student=right_on(TARGETS, 0.5))
    assert "With its classes renumbered it would get 95.0 %" in words(found, "classes in another order")


def test_worse_than_guessing_is_not_called_chance():
    found = evidence(TARGETS, student=(right_on(TARGETS, 0.95) + 1) % 10, twin=right_on(TARGETS, 0.6))
    assert kinds(found) == ["below chance"]
    sentence = words(found, "below chance")
    assert sentence.startswith("The student gets ")
    assert "% of the test images right; guessing would get 10.0 %." in sentence
    assert "in another order in the training images than in the test images" in sentence
    assert "cannot be told from chance" not in sentence


# --- the teacher ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.14])
def test_a_teacher_near_chance(share):
    found = evidence(TARGETS, teacher=right_on(TARGETS, share), student=right_on(TARGETS, 0.5))
    assert f"The teacher gets {100 * share:.1f} % of the test images right; guessing gets 10.0 %." in words(
        found, "teacher at chance"
    )
    assert kinds(evidence(TARGETS, teacher=right_on(TARGETS, 0.2), student=right_on(TARGETS, 0.5))) == []


def test_few_images_do_not_show_that_a_teacher_is_at_chance():
    targets = np.arange(30) % 3
    guess = right_on(targets, 0.5, 3)  # 33.2 to 66.8 %
    found = evidence(targets, classes=("a", "b", "c"), teacher=guess, student=right_on(targets, 0.9, 3))
    assert words(found, "teacher on few test images").startswith(
        "The teacher gets 50.0 % of the test images right; guessing gets 33.3 %. So few images do not show that it is better."
    )
    assert "teacher at chance" not in kinds(found)


def test_a_teacher_near_chance_that_was_accepted_is_named_as_such():
    accepted = recipes.with_overrides(RECIPE, ["teacher.accept=true"])
    found = evidence(TARGETS, recipe=accepted, teacher=right_on(TARGETS, 0.1), student=right_on(TARGETS, 0.5))
    assert "The recipe accepts it all the same (teacher.accept)." in words(found, "teacher at chance")


def test_a_teacher_weaker_than_the_twin():
    found = healthy(
        results=HEALTHY.results | {"teacher": figures(right_on(TARGETS, 0.6), TARGETS)},
        predictions={**HEALTHY.predictions, "teacher": right_on(TARGETS, 0.6)},
    )
    sentence = words(found, "teacher weaker than the twin")
    assert (
        "The teacher gets 60.0 % of the test images right, the twin, which has no teacher, 70.0 % (95 % interval"
        in sentence
    )
    assert kinds(dataclasses.replace(found, predictions=None)) == ["teacher weaker than the twin"]


def test_too_few_images_do_not_show_a_weaker_teacher():
    targets = np.arange(40) % 2
    found = evidence(targets, classes=PETS, teacher=right_on(targets, 0.7, 2), student=targets, twin=targets)
    assert kinds(found) == []


def test_a_teacher_as_good_as_the_twin_is_not_called_weaker():
    close = right_on(TARGETS, 0.69, seed=3)
    assert kinds(evidence(TARGETS, teacher=close, student=right_on(TARGETS, 0.7), twin=right_on(TARGETS, 0.7))) == []


# --- what the result does not show ---------------------------------------------------------------------------------------


def test_settings_that_a_user_changed_are_named_with_their_moment():
    turn = {"step": 153, "epoch": 1.52, "knob": "weight/kd", "factor": 2.0}
    sentence = words(
        healthy(changes=[turn, {**turn, "knob": "learning_rate", "factor": 0.5}]), "changed during the run"
    )
    assert "weight of kd × 2 at epoch 1.5 (step 153); learning rate × 0.5 at epoch 1.5 (step 153)." in sentence
    assert "2 earlier changes; " in words(healthy(changes=[turn] * 6), "changed during the run")


def test_a_small_share_of_the_gradient_is_no_verdict_on_its_effect():
    gradients = {"shares": {"ce": 0.2, "kd": 0.792, "attention": 0.008}, "idle": {"attention": 7.23}}
    (found,) = diagnose(healthy(gradients=gradients))
    assert found.note
    assert (
        "attention contributed 0.8 % of the gradient in the last measurement. That is its share, not its effect"
        in found.finding
    )
    assert "A run without it (--set terms.2.weight=0) shows the effect; at a weight of about 7.2" in found.remedy
    assert not {"nothing", "useless", "no effect"} & set(found.in_words.split())


@pytest.mark.parametrize("validation, count, found", [(0.95, 400, True), (0.84, 400, False), (0.95, 20, False)])
def test_validation_far_above_test(validation, count, found):
    changed = healthy(validation={"student": {"top1": validation, "count": count}})
    assert kinds(changed) == ["validation above test"] * found
    if found:
        assert "95.0 % of the validation images right, but 80.0 % of the test images" in words(
            changed, "validation above test"
        )


@pytest.mark.parametrize("images, right, test", [(1, 1, 0.5), (5, 5, 0.5), (3, 3, 0.4)])
def test_a_few_validation_images_that_are_all_right_show_nothing(images, right, test):
    """The standard error at a share of 1 is 0: by it, one image in two would be reported."""
    results = {"student": figures(right_on(TARGETS, test), TARGETS)}
    changed = healthy(results=results, validation={"student": {"top1": right / images, "count": images}})
    assert "validation above test" not in kinds(changed)


@pytest.mark.parametrize("odd", [-5.0, 0.0, float("nan"), 1e308, 7.0])
def test_odd_numbers_of_a_damaged_run_are_no_error(odd):
    for name in ("top1", "low", "high", "count", "ece"):
        results = {network: {**own, name: odd} for network, own in HEALTHY.results.items()}
        diagnose(healthy(results=results))
        diagnose(healthy(results=results, predictions=None))
    series = {"loss/student/ce": ([1, 2, 3], [odd, odd, odd])}
    diagnose(healthy(validation={"student": {"top1": odd, "count": odd}}, series=series))
