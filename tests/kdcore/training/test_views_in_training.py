"""What student, twin and teacher see: the same views and mixtures, each at its own size."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from kdcore import methods
from kdcore.checks import mixed_labels
from kdcore.data import loading
from kdcore.data.augment import mixing
from kdcore.data.batches import training_batches
from kdcore.events import Noted, StepEnded, StepTaken
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, RecipeError, from_plain
from kdcore.setup.build import build_parts
from kdcore.teacher_cache import check as check_cache
from kdcore.tensors.outputs import NO_LABEL
from kdcore.training.loop import train

DATA = {
    "name": "cues", "image_size": 32, "train_images": 100, "test_images": 20, "validation": 0.2, "batch_size": 16,
    "augment": ["flip"],
}  # fmt: skip
VIEWS = {"resized_crop": {"scale": [0.3, 1.0]}, "rand_augment": {"operations": 1}, "erasing": 0.5}
TERMS = [{"method": "ce", "weight": 0.5, "options": {"smoothing": 0.1}}, {"method": "kd"}]


def built(recipe):
    steps = build_parts(recipe, seed=0, device=torch.device("cpu"))
    notes = []
    try:
        while True:
            event = next(steps)
            notes += [event.text] if isinstance(event, Noted) else []
    except StopIteration as ended:
        return ended.value, notes


def seen_in(parts, steps=1):
    """The images that each network gets up to the end of some steps, and the last logged event."""
    seen = {"student": [], "twin": [], "teacher": []}
    networks = {name: learner.distiller.student for name, learner in parts.learners.items()}
    networks["teacher"] = parts.teacher.answering
    hooks = [
        network.register_forward_pre_hook(lambda _network, given, name=name: seen[name].append(given[0]))
        for name, network in networks.items()
    ]
    logged, events = None, train(parts)
    for event in events:
        logged = event if isinstance(event, StepEnded) else logged
        if isinstance(event, StepTaken) and event.step == steps:
            break
    events.close()
    for hook in hooks:
        hook.remove()
    return seen, logged


def first_batch(parts):
    return next(training_batches(parts.train, parts.recipe, seed=0, step=0, per_epoch=parts.steps_per_epoch))


def among(wanted, seen):
    return any(each.shape == wanted.shape and torch.equal(each, wanted) for each in seen)


@pytest.mark.parametrize("mixture", [{"mixup": 0.4}, {"cutmix": 1.0}])
def test_student_twin_and_teacher_get_the_same_mixed_views(tiny, mixture):
    recipe = tiny(data={**DATA, **VIEWS, **mixture}, terms=TERMS, probes={"images": 0})
    parts, notes = built(recipe)
    batch = first_batch(parts)
    assert batch.other_targets is not None
    assert 0 < batch.share < 1
    seen, logged = seen_in(parts)
    for name in ("student", "twin", "teacher"):
        assert among(batch.images, seen[name]), name
    plain = first_batch(dataclasses.replace(parts, recipe=tiny(data={**DATA, **VIEWS}, terms=TERMS)))
    torch.testing.assert_close(mixing.mixed(plain, mixing.draw(recipe.data, (32, 32), (0, 0, 0))).images, batch.images)
    assert set(logged.losses["student"]) == {"ce", "kd", "total"}
    assert any("ce smooths the labels, and kd has the teacher's soft labels already" in text for text in notes)


def test_the_loss_of_a_mixed_batch_is_that_of_soft_labels(tiny):
    parts, _ = built(tiny(data={**DATA, "mixup": 0.4}, terms=TERMS, probes={"images": 0}))
    batch = first_batch(parts)
    classes = len(parts.train.classes)
    own, other = (F.one_hot(each, classes).float() for each in (batch.targets, batch.other_targets))
    soft = batch.share * own + (1 - batch.share) * other
    with torch.no_grad():
        objective, outputs = parts.twin.distiller(batch, None, {"ce": 1.0}, {"ce": 1.0})
    expected = F.cross_entropy(outputs.logits, soft, label_smoothing=0.1)  # torch's own, with soft labels
    torch.testing.assert_close(objective.losses["ce"], expected)


def test_with_few_labels_a_mixed_label_is_known_or_missing_as_a_whole(tiny):
    parts, _ = built(tiny(data={**DATA, "labels": 20, "mixup": 0.4}, terms=TERMS, probes={"images": 0}))
    batch = first_batch(parts)
    withheld = batch.targets == NO_LABEL
    assert 0 < withheld.sum() < len(withheld)
    assert torch.equal(withheld, batch.other_targets == NO_LABEL)
    _, logged = seen_in(parts)
    assert logged.losses["student"]["total"] > 0


def test_a_mixed_batch_in_parts_is_mixed_before_it_is_divided(tiny):
    data = {**DATA, "mixup": 0.4}
    whole, _ = built(tiny(data=data, terms=TERMS, probes={"images": 0}))
    divided, _ = built(tiny(data=data, terms=TERMS, probes={"images": 0}, optimizer={"accumulate": 4}))
    images = first_batch(whole).images
    seen, _ = seen_in(divided)
    assert among(images[:4], seen["student"])
    assert among(images[12:], seen["teacher"])


@pytest.mark.parametrize("changed", [{"resized_crop": {}}, {"rand_augment": {}}, {"erasing": 0.5}, {"mixup": 0.2}])
def test_one_more_augmentation_changes_no_other_random_number(tiny, changed):
    parts, _ = built(tiny(probes={"images": 0}))
    plain = first_batch(parts)
    other = first_batch(dataclasses.replace(parts, recipe=tiny(data={**DATA, "augment": ["flip", "crop"], **changed})))
    assert torch.equal(plain.indices, other.indices)
    assert not torch.equal(plain.images, other.images)


def test_an_epoch_of_mixed_views_continues_exactly_from_any_step(tiny):
    parts, _ = built(tiny(data={**DATA, **VIEWS, "mixup": 0.4, "cutmix": 1.0}, terms=TERMS))
    whole = list(training_batches(parts.train, parts.recipe, seed=0, step=5, per_epoch=5))
    rest = list(training_batches(parts.train, parts.recipe, seed=0, step=8, per_epoch=5))
    assert len(rest) == len(whole) - 3
    for one, other in zip(whole[3:], rest, strict=True):
        assert torch.equal(one.images, other.images)
        assert one.share == other.share


# sizes


def sized(tiny, size, **changes):
    teacher = {"model": "small_vit_patch4_32", "options": {"dim": 32, "depth": 2, "heads": 2}, "image_size": size}
    return tiny(**{"teacher": teacher, "terms": TERMS, "probes": {"images": 2}, **changes})


@pytest.mark.parametrize(("size", "larger"), [(48, 48), (16, 32)])
def test_views_are_drawn_at_the_larger_size_and_resized_for_the_other_network(tiny, size, larger):
    recipe = sized(tiny, size, data={**DATA, **VIEWS, "mixup": 0.2})
    parts, _ = built(recipe)
    assert parts.train.images.shape[2:] == parts.test.images.shape[2:] == (larger, larger)
    assert parts.teacher.model.image_size == size
    assert parts.student.distiller.student.image_size == 32
    batch = first_batch(parts)
    for model in parts.networks.values():
        hidden = model.eval()._normalised(batch.images)
        expected = batch.images
        if model.image_size != larger:
            expected = F.interpolate(batch.images, (model.image_size,) * 2, mode="bilinear", antialias=True)
        torch.testing.assert_close(hidden, (expected - model.mean) / model.std)
    seen, logged = seen_in(parts)
    assert all(among(batch.images, seen[name]) for name in seen)
    assert logged.losses["student"]["total"] > 0


def test_a_run_with_two_sizes_goes_to_its_end_with_both_measured(tiny):
    parts, _ = built(sized(tiny, 48, epochs=1))
    events = list(train(parts))
    assert set(events[-1].results) >= {"student", "twin", "teacher", "agreement"}


def test_without_a_size_of_its_own_the_teacher_s_is_that_of_the_data(tiny):
    assert (tiny().teacher_size, loading.of_views(tiny())) == (16, tiny().data)


def test_images_of_a_dataset_are_read_no_larger_than_they_are():
    teacher = {"model": "deit_tiny_patch16_224", "image_size": 224}
    plain = {"data": {"name": "cifar10", "image_size": 32}, "teacher": teacher, "student": {"model": "resnet20"}}
    assert loading.of_views(from_plain(plain)).image_size == 32
    plain["data"] = {"name": "cues", "image_size": 32}
    assert loading.of_views(from_plain(plain)).image_size == 224


# refusals


@pytest.mark.parametrize("method", ["crd", "dkd", "nkd", "sskd", "vlfkd", "ofa"])
def test_terms_that_need_one_label_are_refused_before_the_run(tiny, method):
    recipe = tiny(data={**DATA, "cutmix": 1.0}, terms=[{"method": "ce"}, {"method": method, "name": "it"}])
    with pytest.raises(RecipeError) as refused:
        mixed_labels.check(recipe)
    text = str(refused.value)
    assert text.startswith("The term 'it' cannot use mixed images (`data.mixup`, `data.cutmix`), since ")
    assert ": set both to 0, or use another method. These can: " in text
    assert "kd" in text.rpartition("These can: ")[2]
    with pytest.raises(RecipeError, match="cannot use mixed images"):
        next(build_parts(recipe, seed=0, device=torch.device("cpu")))


def test_mixed_batches_have_no_cached_outputs(tiny):
    teacher = {**tiny().teacher.model_dump(), "cache_views": 4}
    recipe = tiny(data={**DATA, "mixup": 0.2}, teacher=teacher)
    with pytest.raises(
        RecipeError, match="no output of the teacher occurs twice: set teacher.cache_views=0, or data.mixup=0"
    ):
        check_cache(recipe)
    check_cache(tiny(data={**DATA, "mixup": 0.2, "mix_probability": 0}, teacher=teacher))


def test_every_method_that_takes_mixed_images_reads_both_labels_or_none():
    """`ce` reads both; every other one that accepts mixtures is declared not to need labels."""
    able = [name for name in methods.names() if not methods.get(name).why_not_mixed()]
    assert {"ce", "kd", "dist", "attention", "fitnets"} <= set(able)
    assert [name for name in able if methods.get(name).needs_labels] == ["ce"]


def test_label_smoothing_is_explained_only_beside_soft_labels(tiny):
    assert mixed_labels.warnings(tiny(terms=TERMS[:1])) == []
    assert mixed_labels.warnings(tiny(terms=[{"method": "ce"}, {"method": "kd"}])) == []
    (text,) = mixed_labels.warnings(tiny(terms=TERMS))
    assert "the twin has it too" in text


def test_the_twin_smooths_like_the_student(tiny):
    parts, _ = built(tiny(terms=TERMS))
    assert parts.twin.distiller.method("ce").smoothing == parts.student.distiller.method("ce").smoothing == 0.1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"resized_crop": {"scale": [0.9, 0.1]}}, r"`data.resized_crop.scale` is \[0.9, 0.1\]: the least comes first, \[0.1, 0.9\]"),
        ({"mixup": -1}, "data.mixup"),
        ({"erasing": 2}, "data.erasing"),
        ({"rand_augment": {"magnitude": 31}}, "data.rand_augment.magnitude"),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(data, message):
    with pytest.raises(RecipeError, match=message):
        from_plain({"data": {"name": "cues", **data}, "student": {"model": "resnet20"}})


def test_a_recipe_of_earlier_versions_has_no_new_setting_in_its_text():
    recipe = Recipe(student=ModelRecipe(model="resnet20"), data=DataRecipe(augment=("flip",)))
    for name in ("mixup", "ema", "resized_crop", "image_size"):
        assert name not in recipe.to_yaml()
