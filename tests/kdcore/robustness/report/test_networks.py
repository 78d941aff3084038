"""Who is compared with whom in a study."""

import pytest

from kdcore.errors import UserError
from kdcore.robustness.report.networks import directions, only

ALONE = [{"method": "ce"}]
VIT = {"model": "small_vit_patch4_32"}
BOTH = {
    "ViT to CNN: independent": {"terms": ALONE},
    "ViT to CNN: kd": {},
    "CNN to ViT: independent": {"student": VIT, "teacher": None, "terms": ALONE},
    "CNN to ViT: kd": {"student": VIT, "teacher.weights": "cues-student"},
}


def test_variants_with_one_student_are_a_direction_that_their_names_begin_with(study_state):
    first, second = directions(study_state(BOTH))
    assert (first.title, second.title) == ("ViT to CNN", "CNN to ViT")
    (method,) = second.methods
    assert method.title == "kd"
    assert method.seeds == [0, 1, 2]
    assert method.students[1] == "run:CNN to ViT: kd-1/student"
    assert second.independent[1] == "run:CNN to ViT: independent-1/student"
    assert second.teachers[0] == "run:CNN to ViT: kd-0/teacher"


def test_seeds_that_only_one_side_has_finished_are_left_out(study_state):
    state = study_state(BOTH, unfinished=[("ViT to CNN: kd", 0), ("ViT to CNN: independent", 2), ("CNN to ViT: kd", 1)])
    first, second = directions(state)
    assert first.methods[0].seeds == [1]
    assert first.teachers[1] == "run:ViT to CNN: kd-1/teacher"
    assert second.methods[0].seeds == [0, 2]


def test_without_an_independent_variant_the_twins_are_the_independent_students(study_state):
    (direction,) = directions(study_state({"T 1": {"twin": True}, "T 4": {"twin": True, "terms.1.temperature": 4.0}}))
    assert direction.title == ""
    assert [each.title for each in direction.methods] == ["T 1", "T 4"]
    assert direction.methods[1].independent[2] == "run:T 4-2/twin"


def test_a_study_with_nothing_to_compare_with_says_what_is_missing(study_state):
    with pytest.raises(
        UserError, match="has no finished runs to compare: it needs students with a teacher, and independent"
    ):
        directions(study_state({"T 1": {}, "T 4": {"terms.1.temperature": 4.0}}))


def test_networks_that_were_not_evaluated_are_left_out(study_state):
    first, second = directions(study_state(BOTH))
    there = {*first.references, second.teachers[0]} - {first.methods[0].students[1]}
    (left,) = only([first, second], there)
    assert left.title == "ViT to CNN"
    assert left.methods[0].seeds == [0, 2]


def test_students_of_two_teachers_are_compared_with_their_own_teacher(study_state):
    state = study_state({"independent": {"terms": ALONE}, "large": {}, "small": {"teacher.weights": "cues-student"}})
    first, second = directions(state)
    assert (first.title, first.teachers[0], second.title, second.teachers[0]) == (
        "large", "run:large-0/teacher", "small", "run:small-0/teacher",
    )  # fmt: skip
    assert second.independent[1] == "run:independent-1/student"


def test_students_with_few_labels_are_compared_with_an_independent_one_with_as_few(study_state):
    few = {"data.labels": 100}
    state = study_state({
        "all: independent": {"terms": ALONE}, "all: kd": {}, "few: independent": {"terms": ALONE, **few}, "few: kd": few,
    })  # fmt: skip
    first, second = directions(state)
    assert (first.title, second.title) == ("all", "few")
    assert [each.title for each in second.methods] == ["kd"]
    assert second.methods[0].independent[0] == "run:few: independent-0/student"
    assert second.methods[0].differs == ()


def test_cached_views_of_a_teacher_make_no_other_teacher(study_state):
    state = study_state({"independent": {"terms": ALONE}, "kd": {}, "cached": {"teacher.cache_views": 4}})
    (direction,) = directions(state)
    assert [each.title for each in direction.methods] == ["kd", "cached"]


def test_teachers_that_are_fine_tuned_on_the_images_of_each_seed_are_those_of_their_seeds(study_state):
    tuned = {"teacher.finetune": {"epochs": 1}}
    (shared,) = directions(study_state({"independent": {"terms": ALONE}, "kd": tuned}))
    assert not shared.own_teachers
    assert set(shared.teachers.values()) == {"run:kd-0/teacher"}
    own = {**tuned, "data.seed": "run"}
    state = study_state(
        {"independent": {"terms": ALONE, "data.seed": "run"}, "kd": own, "crd": {**own, "terms.1.method": "crd"}},
        unfinished=[("kd", 1)],
    )
    (direction,) = directions(state)
    assert direction.teachers == {0: "run:kd-0/teacher", 2: "run:kd-2/teacher", 1: "run:crd-1/teacher"}
    assert [each.seeds for each in direction.methods] == [[0, 2], [0, 1, 2]]
    (left,) = only([direction], {*direction.references} - {"run:kd-2/teacher"})
    assert [each.seeds for each in left.methods] == [[0], [0, 1]]
    assert sorted(left.independent) == [0, 1]


def test_random_teachers_are_those_of_their_seeds(study_state):
    random = {"teacher": {"model": "resnet20", "accept": True}}
    (direction,) = directions(study_state({"independent": {"terms": ALONE}, "kd": random}))
    assert direction.teachers == {seed: f"run:kd-{seed}/teacher" for seed in (0, 1, 2)}
    tuned = {
        "teacher": {"model": "resnet20", "finetune": {"epochs": 1}}
    }  # which begins with the same weights for all seeds
    (direction,) = directions(study_state({"independent": {"terms": ALONE}, "kd": tuned}))
    assert set(direction.teachers.values()) == {"run:kd-0/teacher"}


def test_teachers_that_are_fine_tuned_on_other_images_are_other_teachers(study_state):
    tuned = {"teacher.finetune": {"epochs": 1}}
    state = study_state({"independent": {"terms": ALONE}, "many": tuned, "few": {**tuned, "data.train_images": 100}})
    assert [each.teachers[0] for each in directions(state)] == ["run:many-0/teacher", "run:few-0/teacher"]
    labels = study_state({"independent": {"terms": ALONE}, "all": tuned, "few": {**tuned, "data.labels": 100}})
    assert len(directions(labels)) == 1  # a teacher is fine-tuned with every label
