import pytest

from kdcore.paths import PROJECT
from kdcore.recipe import library
from kdcore.results import pitfalls


def results(student, twin, teacher):
    gap = student - twin
    counts = {"only_student": 100 + round(1000 * (1 + gap)), "only_twin": 100 + round(1000 * (1 - gap))}
    return {
        "student": {"top1": student, "count": 2000},
        "twin": {"top1": twin},
        "teacher": {"top1": teacher},
        "difference": {"top1": gap, "low": gap - 0.03, "high": gap + 0.03, **counts},
    }


NOTHING_WRONG = results(
    0.79, 0.19, 0.997
)  # measured: the same run with a trained teacher, temperature 4 and right labels


@pytest.mark.parametrize("failure", pitfalls.FAILURES, ids=lambda failure: failure.title)
def test_it_is_not_said_to_have_happened_where_nothing_is_wrong(failure):
    assert not failure.happened(NOTHING_WRONG)


@pytest.mark.parametrize("failure", pitfalls.FAILURES, ids=lambda failure: failure.title)
def test_each_has_a_small_recipe_that_says_what_it_should_show(failure):
    recipe = library.recipe(failure.recipe)
    assert recipe.note.startswith("A deliberate failure: ")
    assert recipe.twin
    assert recipe.data.name == "cues"
    assert recipe.epochs * (recipe.data.train_images or 0) <= 10_000


def test_a_random_teacher_is_known_by_its_guesses_and_by_what_it_costs():
    failure = pitfalls.named("failures/random-teacher")
    assert failure.happened(results(0.73, 0.88, 0.1))  # measured
    assert not failure.happened(results(0.73, 0.88, 0.9))
    assert not failure.happened(results(0.88, 0.88, 0.1))


def test_shuffled_labels_are_known_by_a_twin_that_guesses_beside_a_student_that_does_not():
    failure = pitfalls.named("failures/shuffled-labels")
    assert failure.happened(results(0.78, 0.1, 0.997))
    assert not failure.happened(results(0.1, 0.1, 0.997))


def test_every_recipe_of_the_folder_is_a_failure_that_a_page_offers():
    in_folder = {name for name in library.recipe_names() if name.startswith("failures/")}
    assert in_folder == {failure.recipe for failure in pitfalls.FAILURES}


@pytest.mark.parametrize("top1, happened", [(0.4995, True), (0.5, False), (0.5005, False)])
def test_far_below_is_below_half_and_half_is_not(top1, happened):
    assert pitfalls.named("failures/temperature-too-high").happened(results(top1, 0.19, 0.997)) is happened


@pytest.mark.parametrize("teacher, happened", [(0.4995, True), (0.5, False)])
def test_a_lost_teacher_is_below_half_too(teacher, happened):
    assert pitfalls.named("failures/wrong-normalisation").happened(results(0.3, 0.19, teacher)) is happened


@pytest.mark.parametrize("teacher, happened", [(0.1495, True), (0.15, False)])
def test_guessing_ends_at_one_and_a_half_times_chance(teacher, happened):
    assert pitfalls.named("failures/random-teacher").happened(results(0.53, 0.88, teacher)) is happened


def test_a_verdict_that_is_refused_is_none():
    few = results(0.53, 0.88, 0.1)
    few["student"]["count"] = 40
    failure = pitfalls.named("failures/random-teacher")
    assert not failure.happened(few)
    assert "no conclusion, only 40 test images (50 are needed)" in failure.claims(few)[1].words


def test_what_is_said_of_the_run_without_the_mistake_is_what_the_documentation_has():
    document = (PROJECT / "docs" / "results.md").read_text(encoding="utf-8")
    (row,) = [line for line in document.splitlines() if line.startswith("| nothing wrong |")]
    teacher, student = row.split("|")[2:4]
    assert (teacher.strip(), student.strip()) == (f"{100 * pitfalls.KNOWN:.1f} %", f"{100 * pitfalls.USUAL:.1f} %")
