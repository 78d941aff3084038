import numpy as np
import pytest

from kdcore.results.predictions import as_csv, balanced_accuracy, by_class, confusion, error_consistency

TARGETS = np.array([0, 0, 0, 1, 1, 3])  # no image of class 2
STUDENT = np.array([0, 0, 1, 1, 1, 2])
TWIN = np.array([0, 1, 1, 1, 0, 3])


def drawn(seed: int = 0):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 7, 400)
    return targets, np.where(rng.random(400) < 0.6, targets, rng.integers(0, 7, 400)), rng.random(400) < 0.7


def test_the_matrix_has_true_classes_as_rows():
    assert confusion(TARGETS, STUDENT, 4).tolist() == [[2, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]


def test_the_matrix_of_small_integers_does_not_overflow():
    many = np.array([199, 198], np.int16)  # 199 * 200 + 198 is above 32,767
    assert confusion(many, many[::-1], 200)[199, 198] == 1


def test_each_class_has_its_accuracies_its_gain_and_the_images_that_only_one_gets_right():
    rows = by_class({"targets": TARGETS, "student": STUDENT, "twin": TWIN}, ("cat", "dog", "cow", "hen"))
    assert [(row.name, row.images, row.only_student, row.only_twin) for row in rows] == [
        ("cat", 3, 1, 0), ("dog", 2, 1, 0), ("hen", 1, 0, 1),
    ]  # fmt: skip
    assert [row.gain for row in rows] == pytest.approx([1 / 3, 1 / 2, -1])
    assert rows[0].top1 == pytest.approx({"student": 2 / 3, "twin": 1 / 3})


def test_without_a_twin_there_is_no_gain():
    rows = by_class({"targets": TARGETS, "student": STUDENT, "teacher": TWIN}, ("cat", "dog", "cow", "hen"))
    assert rows[0].gain is rows[0].only_student is None
    assert set(rows[0].top1) == {"student", "teacher"}


def test_balanced_accuracy_and_kappa_by_hand():
    assert balanced_accuracy(TARGETS, STUDENT) == pytest.approx((2 / 3 + 1 + 0) / 3)
    first, second = np.array([True, True, False, False]), np.array([True, False, False, False])
    # they agree on 3 of 4; by chance on 1/2 * 1/4 + 1/2 * 3/4 = 1/2
    assert error_consistency(first, second) == pytest.approx((3 / 4 - 1 / 2) / (1 / 2))


@pytest.mark.parametrize("right", [True, False])
def test_kappa_is_not_defined_where_both_are_always_right_or_wrong(right):
    assert error_consistency(np.full(5, right), np.full(5, right)) is None


def test_all_agree_with_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    targets, predicted, other = drawn()
    assert (confusion(targets, predicted, 7) == sklearn.confusion_matrix(targets, predicted)).all()
    expected = sklearn.balanced_accuracy_score(targets, predicted)
    assert balanced_accuracy(targets, predicted) == pytest.approx(expected, abs=1e-12)
    right = predicted == targets
    assert error_consistency(right, other) == pytest.approx(sklearn.cohen_kappa_score(right, other), abs=1e-12)
    rows = by_class({"targets": targets, "student": predicted}, tuple("abcdefg"))
    recalls = sklearn.recall_score(targets, predicted, average=None)
    assert [row.top1["student"] for row in rows] == pytest.approx(recalls)


def test_classes_as_csv_with_names_that_are_no_formulas():
    rows = by_class({"targets": TARGETS, "student": STUDENT, "twin": TWIN}, ('=HYPERLINK("x")', "a,b", "cow", "hen"))
    assert as_csv(rows).splitlines() == [
        "class,images,student,twin,student - twin,only student right,only twin right",
        """"'=HYPERLINK(""x"")",3,0.666667,0.333333,0.333333,1,0""",
        '"a,b",2,1.0,0.5,0.5,1,0',
        "hen,1,0.0,1.0,-1.0,0,1",
    ]
