"""Findings from made-up predictions."""

import math

import pytest
import torch
from torch import Tensor

from kdcore.checks.criteria import best_numbering, entropy_share, judge, temperature_for
from kdcore.checks.findings import Finding
from kdcore.checks.predictions import OWN, STUDENTS, Predictions
from kdcore.recipe import Recipe

TEN = tuple("abcdefghij")


def confident(predicted: Tensor, classes: int = 10, by: float = 6.0) -> Tensor:
    """Logits [n, K] whose largest is that of the classes `predicted`."""
    return by * torch.nn.functional.one_hot(predicted, classes).float()


def predictions(logits: Tensor, targets: Tensor, **changes) -> Predictions:
    names = TEN[: logits.shape[1]]
    return Predictions(
        logits,
        targets,
        **{"teacher_classes": names, "data_classes": names, "split": "validation", "fingerprint": "ab" * 32, **changes},
    )


def found(check: str, given: Predictions, recipe: Recipe) -> Finding:
    return next(finding for finding in judge(given, recipe)[0] if finding.check == check)


@pytest.fixture
def labels() -> Tensor:
    return torch.arange(200) % 10


def test_a_teacher_that_is_right_passes(tiny, labels):
    finding = found("accuracy", predictions(confident(labels), labels), tiny())
    assert finding.verdict == "ok"
    assert "100.0 % of 200 validation images correct" in finding.finding


def test_a_teacher_that_always_predicts_the_same_class_is_stopped_with_the_margin(tiny, labels):
    finding = found("accuracy", predictions(confident(torch.zeros_like(labels)), labels), tiny())
    assert finding.verdict == "stop"
    # a tenth by guessing, and a twentieth of the nine tenths that are left: 0.1 + 0.05 * 0.9
    assert "most common class gets 10.0 %; a teacher needs at least 14.5 %" in finding.finding
    assert finding.remedies[0].changes == ("teacher.finetune={epochs: 3}",)


def test_with_uneven_classes_guessing_is_the_most_common_class(tiny):
    labels = torch.tensor([0] * 90 + [1] * 10)
    finding = found("accuracy", predictions(confident(torch.zeros_like(labels), 2), labels), tiny())
    assert finding.verdict == "stop"
    assert "90.0 % of 100" in finding.finding
    assert "gets 90.0 %; a teacher needs at least 90.5 %" in finding.finding


def test_a_few_images_that_cannot_tell_are_a_warning(tiny):
    labels = torch.tensor([0, 1] * 5)
    predicted = labels.clone()
    predicted[:4] = 1 - predicted[:4]  # 6 of 10 right, guessing gets 5
    assert found("accuracy", predictions(confident(predicted, 2), labels), tiny()).verdict == "warn"


@pytest.mark.parametrize("right, verdict", [(2100, "ok"), (2099, "stop")])
def test_a_teacher_needs_exactly_the_least_accuracy_that_is_stated(tiny, right, verdict):
    labels = torch.arange(4000) % 2  # guessing gets 1/2, so the least is 1/2 + 1/20 * 1/2 = 2100 of 4000
    predicted = torch.where(torch.arange(4000) < right, labels, 1 - labels)
    finding = found("accuracy", predictions(confident(predicted, 2), labels), tiny())
    assert finding.verdict == verdict


@pytest.mark.parametrize("count, verdict", [(2000, "ok"), (40, "warn")])
def test_an_interval_that_includes_guessing_is_a_warning(tiny, count, verdict):
    labels = torch.arange(count) % 2
    predicted = torch.where(torch.arange(count) < 0.6 * count, labels, 1 - labels)
    assert found("accuracy", predictions(confident(predicted, 2), labels), tiny()).verdict == verdict


def test_a_teacher_that_is_sure_and_wrong_points_to_the_labels_first(tiny, labels):
    shuffled = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))]
    finding = found("accuracy", predictions(confident(labels), shuffled), tiny())
    assert finding.verdict == "stop"
    assert "It is sure of its predictions, though" in finding.finding
    assert "the labels may be shuffled or wrong" in finding.finding
    assert finding.remedies[0].title.startswith("Look at some training images with their labels")
    unsure = found("accuracy", predictions(confident(labels, by=0.1), shuffled), tiny())
    assert "the labels may be" not in unsure.finding


def test_it_says_which_images_the_teacher_was_trained_on(tiny, labels):
    for seen, text in (
        (0.88, "It was trained on 88 % of these validation images, so expect less on images that it has not seen."),
        (0.0, "It was not trained on these validation images."),
        (None, "Whether it was trained on some of these validation images is not known."),
    ):
        given = predictions(confident(labels), labels, seen=seen)
        assert found("accuracy", given, tiny()).finding.endswith(text)
        assert judge(given, tiny())[1].get("seen") == seen
    given = predictions(confident(labels), labels, split="train", seen=1.0)
    assert "It was trained on all of these training images" in found("accuracy", given, tiny()).finding


def test_a_teacher_with_renumbered_classes_is_found_out(tiny, labels):
    finding = found("accuracy", predictions(confident((labels + 1) % 10), labels), tiny())
    assert finding.verdict == "stop"
    assert "With its classes renumbered it would get 100.0 % (its class 'b' is 'a' in the data)" in finding.finding


def test_imported_weights_with_renumbered_classes_say_how_to_name_them(tiny, tmp_path, labels):
    """The second output is the first class of the data, and so on: the first output is the last class, `j`."""
    renumbered = predictions(confident((labels + 1) % 10), labels)
    finding = found("accuracy", renumbered, tiny(teacher={"weights": str(tmp_path / "own.safetensors")}))
    words = finding.remedies[0].in_words
    assert words.startswith(
        "Import its weights again with the names of its classes in the order of its outputs (--classes FILE): "
    )
    assert words.endswith(": j, a, b, c, d, e, f, g, h, i")


def test_the_best_numbering_by_hand():
    predicted, labels = (
        torch.tensor([1, 1, 2, 2, 0, 1]),
        torch.tensor([0, 0, 1, 1, 2, 2]),
    )  # 0 -> 1, 1 -> 2, 2 -> 0 but once
    share, order = best_numbering(predictions(confident(predicted, 3), labels))
    assert (share, order) == (5 / 6, [1, 2, 0])


def test_the_same_names_in_another_order_are_stopped_and_can_be_mapped(tiny, labels):
    finding = found("classes", predictions(confident(labels), labels, teacher_classes=TEN[::-1]), tiny())
    assert finding.verdict == "stop"
    assert "Class 0 is 'j' for the teacher and 'a' in the data (the same names in another order)" in finding.finding
    assert finding.remedies[0].changes == ("teacher.map_classes=true",)
    assert not finding.final


def test_other_names_cannot_be_mapped(tiny, labels):
    finding = found("classes", predictions(confident(labels), labels, teacher_classes=("x", *TEN[1:])), tiny())
    assert "other names" in finding.finding
    assert "map_classes" not in finding.remedy


def test_another_number_of_classes_is_final(tiny, labels):
    many = predictions(torch.zeros(200, 12), labels, teacher_classes=(*TEN, "k", "l"), data_classes=TEN)
    (finding,), figures = judge(many, tiny())
    assert (finding.verdict, finding.final, figures) == ("stop", True, {})
    assert finding.remedies[0].changes == ("teacher.map_classes=true",)


def test_a_given_normalisation_that_costs_accuracy_is_stopped(tiny, labels):
    half = labels.clone()
    half[:100] = (half[:100] + 1) % 10
    finding = found(
        "preprocessing", predictions(confident(half), labels, alternatives={OWN: confident(labels)}), tiny()
    )
    assert finding.verdict == "stop"
    assert "accuracy is 50.0 %; with those of its weights it is 100.0 %" in finding.finding
    assert finding.remedies[0].changes == ("teacher.mean=null", "teacher.std=null")


def test_a_known_cause_comes_first_with_its_remedy(tiny, labels):
    nothing = predictions(confident(torch.zeros_like(labels)), labels, alternatives={OWN: confident(labels)})
    findings, _ = judge(nothing, tiny())
    assert [finding.check for finding in findings if finding.verdict == "stop"] == ["preprocessing", "accuracy"]
    assert findings[-2].remedies == ()


def test_a_given_normalisation_that_costs_nothing_passes(tiny, labels):
    assert (
        found(
            "preprocessing", predictions(confident(labels), labels, alternatives={OWN: confident(labels)}), tiny()
        ).verdict
        == "ok"
    )


def test_the_cost_of_the_students_normalisation_is_reported(tiny, labels):
    wrong = predictions(confident(labels), labels, alternatives={STUDENTS: confident(torch.zeros_like(labels))})
    finding = found("preprocessing", wrong, tiny())
    assert finding.verdict == "ok"
    assert "accuracy would be 10.0 % instead of 100.0 %" in finding.finding


def test_overconfidence_is_a_warning(tiny):
    labels = torch.arange(200) % 10
    predicted = torch.where(torch.arange(200) < 120, labels, (labels + 1) % 10)  # 60 % right, and quite sure
    finding = found("calibration", predictions(confident(predicted, by=12.0), labels), tiny())
    assert finding.verdict == "warn"
    assert "error 40.0 % on 200 images" in finding.finding
    assert "overconfident" in finding.finding


def test_the_confidence_of_a_teacher_that_has_learned_nothing_is_not_judged(tiny, labels):
    findings, _ = judge(predictions(confident(torch.zeros_like(labels)), labels), tiny())
    assert [finding.check for finding in findings] == ["accuracy", "classes", "preprocessing", "weights"]


def test_confidence_is_not_judged_on_a_few_images(tiny):
    few = torch.arange(20) % 10
    predicted = torch.where(torch.arange(20) < 12, few, (few + 1) % 10)
    finding = found("calibration", predictions(confident(predicted, by=12.0), few), tiny())
    assert finding.verdict == "ok"
    assert "too few to judge it" in finding.finding


@pytest.mark.parametrize(("temperature", "verdict"), [(0.5, "warn"), (2.0, "ok"), (40.0, "warn")])
def test_soft_labels_of_a_single_class_or_of_all_alike_are_a_warning(tiny, labels, temperature, verdict):
    recipe = tiny(terms=[{"method": "ce"}, {"method": "kd", "temperature": temperature}])
    finding = found("soft labels", predictions(confident(labels), labels), recipe)
    assert finding.verdict == verdict
    if verdict == "warn":  # softmax(6 / T, 0, ...) over ten classes has half of ln 10 at T = 1.9...
        assert finding.remedies[0].changes == ("terms.1.temperature=2",)


def test_a_schedule_is_judged_at_both_of_its_ends(tiny, labels):
    recipe = tiny(terms=[{"method": "kd", "temperature": {"linear": [40.0, 2.0]}}])
    text = found("soft labels", predictions(confident(labels), labels), recipe).finding
    assert "at temperature 2 and" in text
    assert "at temperature 40" in text


def test_entropy_share_of_two_classes_by_hand():
    p = 0.9  # logits (ln 9, 0) at temperature 1
    entropy = -(p * math.log(p) + (1 - p) * math.log(1 - p))
    logits = torch.tensor([[math.log(9), 0.0]])
    assert entropy_share(logits, 1.0) == pytest.approx(entropy / math.log(2))
    assert entropy_share(logits / 3, 1 / 3) == pytest.approx(entropy / math.log(2))
    assert temperature_for(logits, entropy / math.log(2)) == pytest.approx(1.0, rel=1e-6)


def test_the_two_findings_on_temperature_do_not_contradict_each_other(tiny):
    labels = torch.arange(200) % 10
    predicted = torch.where(torch.arange(200) < 120, labels, (labels + 1) % 10)  # 60 % right, and sure of all
    given = predictions(confident(predicted, by=12.0), labels)

    def judged(temperature: float) -> dict[str, Finding]:
        terms = [{"method": "ce"}, {"method": "kd", "temperature": temperature}]
        return {finding.check: finding for finding in judge(given, tiny(terms=terms))[0]}

    low = judged(1.0)
    fitting = float(low["calibration"].finding.rsplit(" ", 1)[1].rstrip("."))
    wanted = float(low["soft labels"].remedies[0].changes[0].rsplit("=", 1)[1])
    assert fitting > 2
    assert wanted >= fitting - 0.25, "to half a degree, no lower than the calibration calls for"
    high = judged(wanted + 0.5)
    assert high["calibration"].verdict == "ok"
    assert high["calibration"].finding.endswith("and no term has a lower one.")


def test_a_warning_for_few_images_offers_to_hold_out_more(tiny):
    labels = torch.tensor([0, 1] * 5)
    predicted = torch.where(torch.arange(10) < 4, 1 - labels, labels)
    finding = found("accuracy", predictions(confident(predicted, 2), labels), tiny())
    assert finding.remedies[0].changes == ("data.validation=0.3",)
    half = found("accuracy", predictions(confident(predicted, 2), labels), tiny(data={"validation": 0.5}))
    assert half.verdict == "warn"
    assert ("data.validation=0.3",) not in [remedy.changes for remedy in half.remedies]


def test_random_weights_are_named_as_the_cause(tiny, labels):
    recipe = tiny(teacher={"model": "resnet20"})
    words = found("accuracy", predictions(confident(torch.zeros_like(labels)), labels), recipe).finding
    assert words.endswith("Its weights are random: a student would learn nothing from it.")
