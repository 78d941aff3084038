import numpy as np

from kdcore.data import sampling

TARGETS = np.repeat([0, 1, 2], [50, 30, 4])


def test_balanced_takes_the_classes_evenly():
    assert np.bincount(TARGETS[sampling.balanced(TARGETS, 9, (0,))]).tolist() == [3, 3, 3]


def test_a_class_that_has_too_few_gives_all_it_has():
    assert np.bincount(TARGETS[sampling.balanced(TARGETS, 24, (0,))]).tolist() == [10, 10, 4]


def test_a_larger_choice_holds_the_smaller_one():
    assert set(sampling.balanced(TARGETS, 10, (7,))) <= set(sampling.balanced(TARGETS, 31, (7,)))


def test_another_seed_chooses_others():
    assert sampling.balanced(TARGETS, 20, (0,)).tolist() != sampling.balanced(TARGETS, 20, (1,)).tolist()


def test_a_share_is_taken_of_every_class():
    assert np.bincount(TARGETS[sampling.share(TARGETS, 0.1, (0,))]).tolist() == [5, 3, 1]  # one of four, though 0.4


def test_a_share_leaves_a_class_of_one_image_alone():
    assert sampling.share(np.array([0, 1, 1]), 0.5, (0,)).tolist() in ([1], [2])


def test_no_share_takes_nothing():
    assert len(sampling.share(TARGETS, 0.0, (0,))) == 0


def test_classes_take_turns_so_that_any_first_images_are_balanced():
    order = sampling.in_turns(TARGETS, (3,))
    assert sorted(order.tolist()) == list(range(len(TARGETS)))
    for n in (3, 9, 12):
        assert np.bincount(TARGETS[order[:n]]).tolist() == [n // 3] * 3
        assert sorted(order[:n].tolist()) == sampling.balanced(TARGETS, n, (3,)).tolist()
