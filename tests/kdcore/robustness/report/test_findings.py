"""What a report finds in the outcomes of made-up networks."""

import csv
import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from kdcore.errors import UserError
from kdcore.paths import data_folder
from kdcore.recipe.study import TestSets
from kdcore.results.bias import Observation, Outcome, measures
from kdcore.robustness.conditions import CLEAN, parse
from kdcore.robustness.report import charts, content, evaluating, tables
from kdcore.robustness.report.blocks import Items, Table, Text, as_html, as_markdown
from kdcore.robustness.report.evaluating import Evaluated
from kdcore.robustness.report.findings import Findings, Number, figure, findings
from kdcore.robustness.report.networks import directions

ALONE = [{"method": "ce"}]
SCRAMBLED = parse("patch_scramble@4")
RIGHT = {  # clean, scrambled
    "independent": (0.50, 0.20), "kd": (0.60, 0.35), "crd": (0.50, 0.20), "teacher": (0.80, 0.60),
}  # fmt: skip


@pytest.fixture
def found(study_state, outcome) -> Findings:
    """Of a study in which KD passes the robustness to scrambling on and CRD does not."""
    state = study_state({"independent": {"terms": ALONE}, "kd": {}, "crd": {"terms.1.method": "crd"}})
    compared = directions(state)
    evaluated = Evaluated(
        state, compared, [CLEAN, SCRAMBLED, parse("fog@3")], 600, {"frost": f"no photos in {data_folder()}/frost"}
    )
    for reference in compared[0].references:
        name, _, seed = reference.removeprefix("run:").partition("/")[0].rpartition("-")
        if reference.endswith("/teacher"):
            name, seed = "teacher", "9"
        clean, scrambled = RIGHT[name]
        shift = {"kd": 20, "crd": 30}.get(name, 0) + int(seed)
        evaluated.outcomes[reference] = {CLEAN: outcome(clean, shift), SCRAMBLED: outcome(scrambled, shift)}
    return findings(evaluated)


def claim(found: Findings, method: str, question: str):
    (one,) = [each for each in found.claims if (each.method, each.question.name) == (method, question)]
    return one


def test_a_number_is_the_mean_over_seeds_with_its_value_for_each(found):
    number = found.number("", "kd", SCRAMBLED, measures.accuracy)
    assert number.estimate.mean == pytest.approx(0.35, abs=0.002)
    assert list(number.by_seed) == [0, 1, 2]
    assert sum(number.by_seed.values()) / 3 == pytest.approx(number.estimate.mean)
    assert number.estimate.low < 0.35 < number.estimate.high
    assert list(found.number("", "teacher", CLEAN, measures.accuracy).by_seed) == [-1]


@pytest.mark.parametrize("shifts", [(0, 1), (0, 0, 0)])
def test_two_seeds_and_equal_values_of_all_images_have_no_interval(shifts, outcome):
    share = 0.0 if len(shifts) == 3 else 0.5
    observed = [Observation(outcome(share, shift)) for shift in shifts]
    estimate, by_seed = figure(measures.accuracy, observed)
    assert (estimate.mean, estimate.images) == (pytest.approx(share, abs=0.01), 600)
    assert len(by_seed) == len(shifts)
    assert not estimate.bounded


def test_the_interval_of_a_share_stays_within_0_and_1(outcome):
    estimate, _ = figure(measures.accuracy, [Observation(outcome(1.0, seed)) for seed in range(3)])
    assert estimate.low < estimate.mean < estimate.high == 1


def test_networks_of_two_seeds_are_drawn_as_points_without_intervals(found):
    (direction,) = found.evaluated.directions
    for references in (direction.methods[0].independent, *(method.students for method in direction.methods)):
        references.pop(2)
    values = charts.consistency(findings(found.evaluated), direction)["data"]["values"]
    assert {each["set"]: "low" in each for each in values} == {
        "independent": False,
        "kd": False,
        "crd": False,
        "teacher": True,
    }
    json.dumps(values, allow_nan=False)


def test_claims_are_those_that_the_test_sets_can_answer(found):
    assert [each.name for each in found.questions] == ["accuracy", "errors", "permutation", "calibration"]
    assert len(found.claims) == 8


def test_what_passes_on_is_claimed_and_what_does_not_is_not(found):
    accuracy = claim(found, "kd", "accuracy").transfer
    assert accuracy.kind == "passes on"
    assert accuracy.share.mean == pytest.approx((0.6 - 0.5) / (0.8 - 0.5), abs=0.02)
    assert claim(found, "crd", "accuracy").transfer.kind in ("not shown", "refused")
    assert accuracy.change.alpha < 0.05 / 2  # among eight claims


def test_a_condition_that_a_network_lacks_is_left_out_and_named(found):
    assert found.evaluated.missing == [parse("fog@3")]
    text = as_markdown(content.blocks(found), "pictures")
    assert "Fog (3): not evaluated yet." in text
    assert "Frost: no photos in the data folder/frost." in text


def test_independent_students_have_more_errors_in_common_with_each_other(found):
    mean, least, most = found.between[""]
    assert least <= mean <= most
    assert math.isfinite(mean)


def test_clean_accuracy_comes_first_and_says_that_students_are_above_chance(found):
    heading, table, words = content.clean_accuracy(found)
    assert heading.text == "Accuracy on clean images"
    assert isinstance(table, Table)
    assert [row[1] for row in table.rows] == ["independent", "kd", "crd", "teacher"]
    assert isinstance(words, Text)
    assert words.text.startswith("Every student is clearly above 33 % (chance is 17 %)")


def test_students_near_chance_are_named(found, outcome):
    for reference in found.evaluated.directions[0].methods[1].students.values():
        found.evaluated.outcomes[reference][CLEAN] = outcome(0.25)
    words = content.clean_accuracy(findings(found.evaluated))[-1]
    assert words.text.startswith("**Not clearly above 33 % (chance is 17 %): crd.** Their other measures say little")


def test_of_two_classes_twice_chance_is_no_threshold(found):
    for reference, outcomes in found.evaluated.outcomes.items():
        right = (np.arange(600) % 10) < (9 if "teacher" in reference else 8)  # 90 and 80 % of two classes
        logits = np.where(right[:, None], [3.0, 0.0], [0.0, 3.0]) + 0.01 * np.random.default_rng(1).random((600, 2))
        outcomes[CLEAN] = Outcome(np.zeros(600, int), logits)
    direction = found.evaluated.directions[0]
    estimate, _ = figure(measures.accuracy, [Observation(found.evaluated.outcomes[direction.teachers[0]][CLEAN])])
    number = Number("", "independent", CLEAN, measures.accuracy, estimate, {0: 0.9})
    words = content.clean_accuracy(replace(found, numbers=[number]))[-1]
    assert words.text.startswith("Every student is clearly above 75 % (chance is 50 %)")


def test_one_seed_says_that_no_interval_covers_the_seed(found):
    assert content.limits(found)[0].startswith(
        "An interval covers initial weights, order of batches, augmentation and the choice"
    )
    assert content.limits(found)[0].endswith(
        "Training images are the same for every seed, so their choice is not covered."
    )
    (direction,) = found.evaluated.directions
    for method in direction.methods:
        for references in (method.students, method.independent):
            for seed in set(references) - {0}:
                del references[seed]
    assert content.limits(found)[0] == (
        "One seed: the intervals cover the choice of the images, not the variation between seeds."
    )
    assert any(
        "95 % intervals over images, not" in part.text for part in content.blocks(found) if isinstance(part, Text)
    )


def test_settings_in_which_an_independent_student_differs_are_named(study_state):
    state = study_state({"independent": {"terms": ALONE}, "kd": {}, "long": {"epochs": 20, "data.labels": 300}})
    limits = content.limits(Findings(Evaluated(state, directions(state), [CLEAN], 0, {}), [], [], [], {}))
    (line,) = [each for each in limits if "trained with other settings" in each]
    assert line == (
        "long: its independent student was trained with other settings, too (data.labels, epochs), so a difference need not come from "
        "the teacher."
    )


def test_trained_weights_are_not_said_to_be_covered(study_state):
    start = {"student.weights": "cues-student"}
    state = study_state({"independent": {"terms": ALONE, **start}, "kd": start})
    limits = content.limits(Findings(Evaluated(state, directions(state), [CLEAN], 0, {}), [], [], [], {}))
    assert limits[0].startswith("An interval covers order of batches, augmentation and the choice of test images.")


def test_training_images_that_follow_the_seed_are_said_to_be_covered(study_state):
    state = study_state({"independent": {"terms": ALONE, "data.seed": "run"}, "kd": {"data.seed": "run"}})
    limits = content.limits(Findings(Evaluated(state, directions(state), [CLEAN], 0, {}), [], [], [], {}))
    assert limits[0].endswith("Each seed has its own training images and labels, which the intervals cover too.")


def test_every_comparison_has_a_sentence_and_a_cell(found):
    parts = content.what_is_shown(found)
    folded = [part for part in parts if isinstance(part, Items) and part.title == "All 8 comparisons"]
    assert len(folded[0].items) == 8
    (matrix,) = [part for part in parts if isinstance(part, Table)]
    assert matrix.head == ["method", *(each.title for each in found.questions)]
    assert matrix.rows[0][:2] == ["kd", "**passes on** (33 %)"]
    assert any("8 comparisons" in part.text for part in parts if isinstance(part, Text))


def test_a_report_is_one_file_that_needs_no_network(found):
    page = as_html("What passes on: made up", content.blocks(found))
    assert page.count("<svg") == 5  # transfer, accuracy, consistency, errors, calibration
    assert "http" not in page.replace("http://www.w3.org/", "")
    assert "<script" not in page
    ids = [part.split('"')[0] for part in page.split(' id="')[1:]]
    assert len(set(ids)) == len(ids)


def test_the_tables_have_every_number_and_every_claim(found):
    rows = list(csv.DictReader(io.StringIO(tables.measures_csv(found))))
    mean = [row for row in rows if row["seed"] == "mean" and row["network"] == "kd" and row["measure"] == "accuracy"]
    assert [row["test_set"] for row in mean] == ["clean", "patch_scramble"]
    assert float(mean[1]["value"]) == pytest.approx(0.35, abs=0.002)
    claims = list(csv.DictReader(io.StringIO(tables.claims_csv(found))))
    assert len(claims) == 8
    assert claims[0]["shown"] == "passes on"
    assert float(claims[0]["low"]) < float(claims[0]["student_minus_independent"]) < float(claims[0]["high"])


def test_conditions_of_a_study_are_named_or_the_usual_ones():
    assert evaluating.chosen_conditions(TestSets(sets=("fog@2", "low_pass@6"))) == [
        CLEAN,
        parse("fog@2"),
        parse("low_pass@6"),
    ]
    usual = evaluating.chosen_conditions(TestSets())
    assert usual[0] == CLEAN
    assert SCRAMBLED in usual
    assert len({each.set_name for each in usual}) == len(usual)


def test_an_unknown_test_set_is_refused_before_the_runs():
    with pytest.raises(UserError, match="Unknown test set 'patch_scrambel'. Did you mean 'patch_scramble'?"):
        evaluating.refuse_unknown(TestSets(sets=("patch_scrambel@4",)))


@pytest.fixture
def own_teachers(study_state) -> Findings:
    """Of a study whose three seeds have teachers that are right on 60, 70 and 80 % of 600 images; the students are half way between
    the independent student, which is right on half, and the teacher of their seed."""
    tuned = {"data.seed": "run", "teacher.finetune": {"epochs": 1}}
    state = study_state({"independent": {"terms": ALONE, "data.seed": "run"}, "kd": tuned})
    compared = directions(state)
    evaluated = Evaluated(state, compared, [CLEAN], 600, {})
    first = {"independent": (300, 300, 300), "kd": (330, 360, 390), "teacher": (360, 420, 480)}  # images that are right
    for reference in compared[0].references:
        name, seed = reference.removeprefix("run:").partition("/")[0].split("-")
        count = first["teacher" if reference.endswith("/teacher") else name][int(seed)]
        predicted = np.where(np.arange(600) < count, 0, 1)
        logits = (np.eye(2)[predicted] * 3).astype(np.float32)
        evaluated.outcomes[reference] = {CLEAN: Outcome(np.zeros(600, int), logits)}
    return findings(evaluated)


def test_figures_of_teachers_that_differ_by_seed_are_means_of_all_seeds(own_teachers):
    number = own_teachers.number("", "teacher", CLEAN, measures.accuracy)
    assert number.by_seed == pytest.approx({0: 0.6, 1: 0.7, 2: 0.8})
    assert number.estimate.mean == pytest.approx(0.7)
    # standard error over seeds alone: 0.1 / sqrt(3), on which Student's t for two degrees of freedom (4.303) is put
    assert number.estimate.high - number.estimate.low > 2 * 4.3 * 0.1 / math.sqrt(3) * 0.9
    table = next(part for part in content.clean_accuracy(own_teachers) if isinstance(part, Table))
    (row,) = [row for row in table.rows if row[1] == "teacher"]
    assert row[2].startswith("70.0 % (")
    assert row[3] == "3"
    rows = [
        row for row in csv.DictReader(io.StringIO(tables.measures_csv(own_teachers))) if row["network"] == "teacher"
    ]
    accuracies = {row["seed"]: float(row["value"]) for row in rows if row["measure"] == "accuracy"}
    assert accuracies == pytest.approx({"mean": 0.7, "0": 0.6, "1": 0.7, "2": 0.8})


def test_students_are_compared_with_the_teachers_of_their_seeds(own_teachers):
    found = claim(own_teachers, "kd", "accuracy").transfer
    assert (found.student, found.twin, found.teacher) == pytest.approx((0.6, 0.5, 0.7))
    assert found.gap.mean == pytest.approx(0.2)  # 0.1 with the first seed's teacher
    assert found.share.mean == pytest.approx(0.5) or not found.share.defined
    # agreement: 570 of 600, 540 of 600, 510 of 600; with the first seed's teacher in all seeds it would be 570, 600, 570
    number = own_teachers.number("", "kd", CLEAN, measures.agreement)
    assert number.by_seed == pytest.approx({0: 0.95, 1: 0.9, 2: 0.85})
    assert any("Each seed has its own teacher" in line for line in content.limits(own_teachers))


def test_accurate_students_of_two_seeds_are_not_said_to_be_near_chance(found):
    (direction,) = found.evaluated.directions
    for references in (direction.methods[0].independent, *(method.students for method in direction.methods)):
        references.pop(2)
    two = findings(found.evaluated)
    assert "Every student is clearly above 33 %" in content.clean_accuracy(two)[-1].text
    assert (
        content.limits(two)[0]
        == "Two seeds say too little of how seeds vary (3 are needed), so there are no conclusions."
    )
    (bars,) = [part.text for part in content.blocks(two) if isinstance(part, Text) and part.text.startswith("Orange")]
    assert bars.endswith(
        "Bars are 95 % intervals over images, not corrected for their number. Networks of two seeds have none: 3 are needed."
    )


def test_the_bars_of_a_shared_teacher_are_over_images(found, own_teachers):
    (shared,) = [
        part.text for part in content.blocks(found) if isinstance(part, Text) and part.text.startswith("Orange")
    ]
    assert (
        "over seeds and images, not corrected for their number. A teacher that all seeds share has one over images."
        in shared
    )
    (own,) = [
        part.text for part in content.blocks(own_teachers) if isinstance(part, Text) and part.text.startswith("Orange")
    ]
    assert own.endswith("Bars are 95 % intervals over seeds and images, not corrected for their number.")
