import numpy as np
import pytest
import torch

from kdcore.data.split import Split
from kdcore.explain import agreement, explain
from kdcore.explain.quality.randomization import untrained
from kdcore.explain.quality.survey import NetworkMaps, Survey, by_class, ranked, survey

from ..conftest import CLASSES, build


def split(count=120, side=32) -> Split:
    images = torch.randint(
        0, 256, (count, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    return Split("test", CLASSES, images, torch.arange(count) // (count // len(CLASSES)))  # class by class


def peak(row: int, column: int) -> np.ndarray:
    heatmap = np.full((4, 4), 0.02)
    heatmap[row, column] = 0.7
    return heatmap


def by_hand(divergence=(0.1, 0.5, np.nan, 0.3)) -> Survey:
    """Four images of two classes. The teacher is right on 0, 1, 2 and the student on 0, 2, 3."""
    maps = np.stack([peak(0, 0), peak(0, 1), np.full((4, 4), np.nan), peak(2, 1)])
    teacher = NetworkMaps("grad_cam", maps, np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]]))
    student = NetworkMaps("grad_cam", maps, np.array([[0.8, 0.2], [0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]))
    targets = np.array([0, 1, 0, 1])
    return Survey(
        ("cat", "dog"), np.arange(4), np.zeros((4, 8, 8, 3), np.uint8), targets, teacher, student, None,
        {"js": np.array(divergence)}, 4,
    )  # fmt: skip


def test_it_grows_batch_by_batch_over_all_classes_alike():
    teacher, student = build("our_vit"), build("our_cnn")
    steps = list(survey(teacher, student, split(), "grad_cam", at_most=100))
    assert [len(step) for step in steps] == [50, 100]
    assert {step.total for step in steps} == {100}
    assert np.bincount(steps[-1].targets).tolist() == [20] * 5
    assert set(steps[0].targets) == set(range(5))  # a split that lies class by class is mixed
    np.testing.assert_array_equal(steps[0].places, steps[1].places[:50])


def test_an_images_figures_are_those_of_its_maps():
    teacher, student, images = build("our_vit"), build("our_cnn"), split()
    (found,) = survey(teacher, student, images, "grad_cam", at_most=10)
    place = found.places[3]
    pixels = images.images[place : place + 1]
    one, other = (explain(model, pixels.float() / 255, "grad_cam") for model in (student, teacher))
    np.testing.assert_allclose(found.student.heatmaps[3], one.heatmaps[0], atol=1e-5)
    np.testing.assert_allclose(found.teacher.probabilities[3], other.probabilities[0], atol=1e-5)
    assert found.targets[3] == images.targets[place]
    assert found.agreement["js"][3] == pytest.approx(agreement(one.heatmaps[0], other.heatmaps[0])["js"], abs=1e-4)
    np.testing.assert_array_equal(found.thumbnails[3], pixels[0].permute(1, 2, 0))


def test_each_network_may_have_its_own_map():
    (found,) = survey(build("our_vit"), build("our_cnn"), split(), at_most=10)
    assert (found.teacher.map_name, found.student.map_name) == ("cls_attention", "activation_energy")


def test_stopping_early_keeps_the_results_so_far():
    steps = survey(build("our_cnn"), build("our_cnn", seed=1), split(), "activation_energy", at_most=100)
    first = next(steps)
    steps.close()
    assert len(by_class(first)) == 6


def test_the_most_different_come_first_and_images_without_a_map_are_left_out():
    found = by_hand()
    assert ranked(found).tolist() == [1, 3, 0]
    assert ranked(found, most_similar=True).tolist() == [0, 3, 1]


@pytest.mark.parametrize(
    "outcome, expected",
    [
        ("any", [1, 3, 0]),
        ("both right", [0]),
        ("teacher right only", [1]),
        ("student right only", [3]),
        ("both wrong", []),
    ],
)
def test_images_are_chosen_by_who_is_right(outcome, expected):
    assert ranked(by_hand(), outcome=outcome).tolist() == expected


def test_classes_stand_beside_their_controls():
    whole, cat, dog = by_class(by_hand())
    assert (whole.name, whole.count, whole.teacher_top1, whole.student_top1) == ("all", 4, 0.75, 0.75)
    assert (dog.name, dog.count, dog.teacher_top1, dog.student_top1) == ("dog", 2, 0.5, 0.5)
    assert cat.controlled is None  # one of its two images has no map
    assert whole.controlled is not None
    assert whole.controlled["js"].count == 3
    assert whole.controlled["js"].paired == pytest.approx(0, abs=1e-9)  # by hand both have the same maps
    assert whole.controlled["js"].shuffled > 0.2


def test_the_untrained_student_is_one_of_the_controls():
    student = build("our_cnn")
    (found,) = survey(build("our_vit"), student, split(), "activation_energy", untrained=untrained(student), at_most=20)
    assert found.untrained is not None
    assert found.untrained.heatmaps.shape == found.student.heatmaps.shape
    controlled = by_class(found)[0].controlled
    assert controlled is not None
    assert np.isfinite(controlled["js"].untrained)


def test_large_images_are_kept_small():
    teacher, student = build("resnet"), build("resnet", seed=1)
    (found,) = survey(teacher, student, split(10, 200), "activation_energy", at_most=5)
    assert found.thumbnails.shape == (5, 96, 96, 3)


def test_networks_of_other_classes_or_sizes_are_refused():
    student = build("our_cnn")
    other = build("our_vit")
    other.classes = ("a", "b", "c", "d", "e")
    with pytest.raises(ValueError, match="have the same classes, but these have a, b, c, ... and cat, dog, ship, ..."):
        next(survey(other, student, split()))
    with pytest.raises(ValueError, match="take images of the same size, but these have 64 px and 32 px"):
        next(survey(build("vit"), student, split()))
