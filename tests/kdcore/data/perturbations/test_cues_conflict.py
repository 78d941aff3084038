import torch

from kdcore.data import drawing, loading, perturbations
from kdcore.data.split import Split
from kdcore.recipe import DataRecipe
from kdcore.tensors.outputs import NO_LABEL

CONFLICT = perturbations.get("cues_conflict")
DATA = DataRecipe(name="cues", image_size=16, train_images=20, test_images=40)


def test_shape_and_texture_are_known_and_never_agree() -> None:
    test = loading.load(DATA, "test")
    found = CONFLICT.own(DATA, test)
    assert CONFLICT.why_not(test) == ""
    assert found is not None
    assert found.textures is not None
    assert found.split.classes == tuple(drawing.SHAPES)
    assert found.split.images.shape == (40, 3, 16, 16)
    assert (found.textures != found.split.targets).all()
    assert torch.equal(found.textures, found.split.extras["textures"])  # all ten classes: the texture at the same place
    logits = torch.randn(5, 10)
    torch.testing.assert_close(found.decisions(logits), logits.log_softmax(1))


def test_of_some_classes_a_texture_of_another_class_has_no_label() -> None:
    data = DATA.model_copy(update={"only": ("heart", "circle", "star"), "test_images": 30})
    found = CONFLICT.own(data, loading.load(data, "test"))
    assert found is not None
    assert found.textures is not None
    names = list(drawing.SHAPES)
    for raw, texture in zip(found.split.extras["textures"], found.textures, strict=True):
        own = names[raw]
        assert texture == (found.split.classes.index(own) if own in found.split.classes else NO_LABEL)
    assert (found.textures == NO_LABEL).any()
    assert (found.textures >= 0).any()


def test_other_data_have_no_cue_conflict() -> None:
    other = Split("test", ("cat", "dog"), torch.zeros(1), torch.zeros(1))
    assert "for the dataset cues alone" in CONFLICT.why_not(other)
