"""Settings of recipes by dotted name, and in words."""

import pytest

from kdcore.recipe import ModelRecipe, Recipe, TeacherRecipe, Term, TwinRecipe, library, settings, with_values
from kdcore.recipe.terms import Adapt

BASE = Recipe(
    student=ModelRecipe(model="tiny"),
    teacher=TeacherRecipe(weights="cues-teacher"),
    terms=(Term(method="ce", weight=0.1), Term(method="kd")),
)


def test_what_is_at_its_default_is_left_out_and_terms_have_their_label():
    assert settings.settings(BASE) == {
        "teacher": True, "teacher.weights": "cues-teacher", "student.model": "tiny", "terms": ["ce", "kd"], "terms.ce.weight": 0.1,
    }  # fmt: skip


def test_a_default_is_found_again_and_what_a_recipe_cannot_have_is_none():
    known = settings.settings(BASE)
    assert settings.value(known, "terms.kd.weight") == 1.0
    assert settings.value(known, "terms.kd.method") == "kd"
    assert settings.value(known, "teacher.cache_views") == 0
    assert settings.value(known, "epochs") == 10
    for key in ("terms.attention.weight", "teacher.finetune.epochs", "twin.lr", "terms.kd.adapt.factor"):
        assert settings.value(known, key) is None


@pytest.mark.parametrize("name", ["quick", "cnn-to-vit", "adaptive-hints"])
def test_bundled_recipes_differ_from_themselves_in_nothing(name):
    known = settings.settings(library.recipe(name))
    assert settings.differing([known, dict(known)]) == {}


def test_what_differs_begins_with_terms_and_ends_with_the_seed():
    other = with_values(BASE, {"seeds": [1], "epochs": 3, "terms.1.weight": 0.5, "twin": True})
    found = settings.differing([settings.settings(BASE), settings.settings(other)])
    assert found == {"terms.kd.weight": [1.0, 0.5], "twin": [False, True], "epochs": [10, 3], "seeds": [[0], [1]]}
    assert (next(iter(found)), list(found)[-1]) == ("terms.kd.weight", "seeds")


def test_optional_sections_differ_by_being_there():
    adapted = BASE.model_copy(
        update={"terms": (BASE.terms[0], Term(method="kd", adapt=Adapt())), "twin": TwinRecipe(lr=0.1)}
    )
    found = settings.differing([settings.settings(BASE), settings.settings(adapted)])
    assert found["twin"] == [False, True]
    assert found["twin.lr"] == [None, 0.1]
    assert found["terms.kd.adapt"] == [None, True]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"student": {"weights": "pruned.safetensors"}}, {"student": ["tiny", "pruned.safetensors"]}),
        ({"student.weights": "pretrained"}, {"student": ["tiny", "tiny, pretrained"]}),
        ({"teacher": {"model": "large"}}, {"teacher": ["cues-teacher", "large"]}),
        ({"teacher": None, "terms": [{"method": "ce"}]}, {"teacher": ["cues-teacher", None]}),
    ],
)
def test_a_network_is_one_setting_whether_its_model_or_its_weights_name_it(changes, found):
    """A pruned student has weights without a model: in the table of runs the unpruned one was called `none`."""
    known = [settings.settings(BASE), settings.settings(with_values(BASE, changes))]
    different = settings.differing(known)
    assert {key: values for key, values in different.items() if not key.startswith("terms")} == found
    for key, values in found.items():
        assert [settings.value(each, key) for each in known] == values


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("terms", ["ce", "kd"], "ce + kd"),
        ("terms.kd.weight", 0.9, "kd 0.9"),
        ("terms.kd.weight", 0.0, "kd 0"),
        ("terms.kd.weight", {"linear": [0, 1]}, "kd {linear: [0, 1]}"),
        ("terms.kd.temperature", 4.0, "kd temperature 4"),
        ("terms.at_1.from_epoch", 2, "at_1 from_epoch 2"),
        ("optimizer.lr", 1e-3, "lr 0.001"),
        ("optimizer.clip", 1.0, "clip 1"),
        ("data.labels", "all", "labels all"),
        ("data.name", "cues", "data cues"),
        ("data.label_noise", 0.1, "label noise 0.1"),
        ("student.model", "tiny", "student tiny"),
        ("teacher", None, "without teacher"),
        ("twin", True, "with twin"),
        ("seeds", [1], "seed 1"),
    ],
)
def test_settings_in_words(key, value, words):
    assert settings.phrase(key, value) == words
