import pytest
import torch

from kdcore.setup.cost import estimate

CPU = torch.device("cpu")


def test_counts_steps_sizes_and_arithmetic(tiny):
    found = estimate(tiny(student={"model": "three_stage_cnn_16"}), device=CPU)
    assert (found.images, found.steps) == (80, 10)
    assert found.student_parameters == 72_954
    assert 0 < found.student_flops < found.teacher_flops * 100
    assert found.seconds > 0


def test_time_grows_with_epochs_and_is_measured_once(tiny):
    one, ten = estimate(tiny(epochs=1), device=CPU), estimate(tiny(epochs=10), device=CPU)
    assert ten.seconds == 10 * one.seconds


def test_works_without_a_teacher(tiny):
    found = estimate(tiny(teacher=None, terms=[{"method": "ce"}], twin=False), device=CPU)
    assert (found.teacher_parameters, found.teacher_flops) == (0, 0)


def test_counts_the_training_images_of_a_folder(tiny, tmp_path):
    for name in ("train/a/1.jpg", "train/a/2.jpg", "train/b/1.jpg", "train/b/2.jpg", "test/a/1.jpg", "test/b/1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    data = {
        **tiny().data.model_dump(exclude={"train_images", "test_images"}),
        "name": "folder",
        "path": str(tmp_path),
        "validation": 0,
    }
    assert estimate(tiny(data=data), device=CPU).images == 4


def test_a_memory_of_all_images_and_further_views_are_tried_as_in_a_run(tiny):
    for method in ("crd", "sskd"):
        found = estimate(tiny(terms=[{"method": "ce"}, {"method": method}]), device=CPU)
        assert found.seconds > 0


def test_terms_that_begin_later_or_adapt_are_tried_like_any_other(tiny):
    terms = [{"method": "ce", "from_epoch": 4}, {"method": "kd", "to_epoch": 5, "adapt": {"patience": 1}}]
    assert estimate(tiny(epochs=6, terms=terms), device=CPU).seconds > 0


def test_two_classes_of_cifar_10_are_a_fifth_of_its_images(tiny):
    data = {"name": "cifar10", "image_size": 32, "only": ["cat", "dog"], "validation": 0.1}
    assert estimate(tiny(data=data), device=CPU).images == 9_000


def test_kept_answers_save_the_teacher_s_share_from_the_epoch_in_which_all_are_there(tiny):
    live = estimate(tiny(epochs=10), device=CPU)
    kept = estimate(tiny(epochs=10, teacher={**tiny().teacher.model_dump(), "cache_views": 4}), device=CPU)
    assert 0 < live.teacher_share < 1
    assert kept.seconds == pytest.approx(live.seconds * (4 + 6 * (1 - live.teacher_share)) / 10)


def test_what_a_view_takes_on_disk_is_what_the_terms_read(tiny):
    # ten logits and two maps of 4 x 4 places, an exponent for each of the three, and a checksum; 80 images
    assert estimate(tiny(), device=CPU).view_bytes == 80 * (2 * (10 + 2 * 16) + 2 * 3 + 4)
    assert estimate(tiny(terms=[{"method": "ce"}]), device=CPU).view_bytes is None


def test_answers_that_cannot_be_kept_are_refused_as_in_a_run(tiny):
    teacher = {**tiny().teacher.model_dump(), "cache_views": 4}
    with pytest.raises(ValueError, match="set teacher.cache_views=0, or remove the term"):
        estimate(tiny(teacher=teacher, terms=[{"method": "ce"}, {"method": "sskd"}]), device=CPU)


def test_curves_on_perturbed_images_cost_a_forward_of_the_learners_after_every_epoch(tiny):
    recipe = tiny(epochs=6, robustness={"sets": ["low_pass@6", "patch_scramble@4"], "images": 50})
    found = estimate(recipe, device=CPU)
    a_step = found.seconds / found.images / recipe.epochs  # of an image
    learners = a_step * (1 - found.teacher_share)
    assert found.curves_seconds == pytest.approx(100 * (6 * learners / 3 + a_step * found.teacher_share))
    assert estimate(tiny(epochs=6), device=CPU).curves_seconds == 0
