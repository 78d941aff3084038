import pytest
import torch
import torchvision.models as tv
from torch import nn

from kdcore import models
from kdcore.models import mapping, zoo
from kdcore.recipe import ModelRecipe, RecipeError, TeacherRecipe, from_plain

PETS = (("tabby", "tabby cat"), ("golden_retriever",), ("crane",), ("goldfish",), ("crane",))


def test_classes_are_found_by_any_of_their_names():
    assert mapping.places(PETS, ("Goldfish", "tabby-cat", "golden retriever")) == [3, 0, 1]


def test_a_class_that_is_not_there_is_named_with_the_nearest():
    with pytest.raises(ValueError, match=r"'gold fish' .*not among the teacher's 5 classes.*nearest of them: goldfish"):
        mapping.places(PETS, ("gold fish",))


def test_a_name_that_two_classes_have_is_refused():
    with pytest.raises(ValueError, match=r"2 classes called 'crane' \(numbers 2, 4\)"):
        mapping.places(PETS, ("crane",))


def test_two_names_of_one_class_are_refused():
    with pytest.raises(ValueError, match="'tabby' and 'tabby cat' of the data are the same class"):
        mapping.places(PETS, ("tabby", "tabby cat"))


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "torchvision/squeezenet1_1", "three_stage_cnn_16"])
def test_the_logits_are_those_of_the_classes_that_are_kept(name):
    net, images = zoo.create(name, 6, 64).eval(), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        before = net(images)
        mapping.keep_classes(net, [4, 0, 2])
        torch.testing.assert_close(net(images), before[:, [4, 0, 2]])


def test_dense_logits_follow():
    spec = ModelRecipe(model="test_resnet")
    whole = models.build(spec, tuple("abcdef"), 64).eval()
    images, needs = torch.rand(2, 3, 64, 64), frozenset({"dense"})
    before = whole(images, needs).dense
    mapping.keep_classes(whole.net, [5, 1])
    torch.testing.assert_close(whole(images, needs).dense, before[:, [5, 1]])


def test_a_classifier_without_rows_is_refused():
    net = nn.Module()
    net.get_classifier = nn.Identity
    with pytest.raises(ValueError, match="Identity"):
        mapping.keep_classes(net, [0])


def test_a_teacher_of_many_classes_is_mapped_when_it_is_loaded(tmp_path):
    whole = models.build(ModelRecipe(model="test_resnet"), tuple("abcdef"), 64).eval()
    models.save(whole, tmp_path / "whole.safetensors")
    told: list[str] = []
    spec = TeacherRecipe(weights=str(tmp_path / "whole.safetensors"), map_classes=True)
    few = models.build(spec, ("d", "b"), 64, report=told.append).eval()
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(few(images).logits, whole(images).logits[:, [3, 1]])
    assert few.classes == ("d", "b")
    assert "has 6 classes; the 2 of the data are used" in told[0]
    with pytest.raises(ValueError, match="'z' .*not among"):
        models.build(spec, ("d", "z"), 64)


def test_a_file_without_names_cannot_be_mapped(tmp_path):
    from safetensors.torch import save_file

    save_file(dict(zoo.create("test_resnet", 6, 64).state_dict()), tmp_path / "bare.safetensors")
    spec = TeacherRecipe(model="test_resnet", weights=str(tmp_path / "bare.safetensors"), map_classes=True)
    with pytest.raises(ValueError, match="does not name its classes"):
        models.build(spec, ("d", "b"), 64)


def test_imagenets_classes_have_their_names():
    names = zoo.class_names("deit_tiny_patch16_224")
    assert len(names) == 1000
    assert names[0] == ("n01440764", "tench", "Tinca tinca")
    assert zoo.class_names("torchvision/resnet18")[0] == ("tench",)
    assert len(tv.ResNet18_Weights.DEFAULT.meta["categories"]) == 1000
    with pytest.raises(ValueError, match="not known"):
        zoo.class_names("three_stage_cnn")


def test_mapping_and_fine_tuning_exclude_each_other():
    teacher = {"weights": "cues-teacher", "map_classes": True, "finetune": {"epochs": 1}}
    with pytest.raises(RecipeError, match="leave one of them out"):
        from_plain({"student": {"model": "tiny"}, "teacher": teacher})
