"""Every bundled recipe and study loads and explains itself; the small ones train on real images."""

import functools
import re

import pytest
import torch
from torchvision import datasets

from kdcore import methods
from kdcore import recipe as recipes
from kdcore.checks import preflight
from kdcore.cli import dynamic_attention_flags
from kdcore.errors import UserError
from kdcore.events import RunFinished, StepEnded
from kdcore.paths import PROJECT
from kdcore.recipe import Recipe, RecipeError, library, study, yaml_text
from kdcore.setup.build import build_parts
from kdcore.store import Store, Studies
from kdcore.training.loop import train

RECIPES, STUDIES = library.recipe_names(), study.names()
PROJECTS = ("dynamic-attention", "two-classes", "adaptive-hints", "class-space", "vit-to-cnn", "cnn-to-vit")
REPRODUCED = [name for name in RECIPES if name.startswith(PROJECTS)]
SMALL = [name for name in REPRODUCED if name.endswith("-small")]
METHOD_STUDIES = ("vit-to-cnn-small", "cnn-to-vit-small")
OLD_RECIPES = {
    "s0": "dynamic-attention",
    "s0-small": "dynamic-attention-small",
    "s0-uniform": "dynamic-attention-uniform",
    "s0-uniform-small": "dynamic-attention-uniform-small",
    "s0-baseline": "dynamic-attention-baseline",
    "s0-baseline-small": "dynamic-attention-baseline-small",
    "s1": "two-classes",
    "s1-small": "two-classes-small",
    "s2-baseline": "adaptive-hints-baseline",
    "s2-baseline-small": "adaptive-hints-baseline-small",
    "s2-static": "adaptive-hints-constant",
    "s2-static-small": "adaptive-hints-constant-small",
    "s2-adaptive": "adaptive-hints",
    "s2-adaptive-small": "adaptive-hints-small",
    "s2-selective": "adaptive-hints-selective",
    "s2-selective-small": "adaptive-hints-selective-small",
    "s3": "class-space",
    "s3-small": "class-space-small",
    "s4-vit-to-cnn": "vit-to-cnn",
    "s4-vit-to-cnn-small": "vit-to-cnn-small",
    "s4-cnn-to-vit": "cnn-to-vit",
    "s4-cnn-to-vit-small": "cnn-to-vit-small",
}
OLD_STUDIES = {
    "s0": "dynamic-attention",
    "s0-small": "dynamic-attention-small",
    "s2": "adaptive-hints",
    "s2-small": "adaptive-hints-small",
    "s2-40": "adaptive-hints-40-epochs",
    "s2-side": "adaptive-hints-settings",
    "s2-side-small": "adaptive-hints-settings-small",
    "s4-vit-to-cnn": "vit-to-cnn",
    "s4-vit-to-cnn-long": "vit-to-cnn-long",
    "s4-vit-to-cnn-small": "vit-to-cnn-small",
    "s4-vit-to-cnn-small-long": "vit-to-cnn-small-long",
    "s4-cnn-to-vit": "cnn-to-vit",
    "s4-cnn-to-vit-long": "cnn-to-vit-long",
    "s4-cnn-to-vit-small": "cnn-to-vit-small",
    "s4-cnn-to-vit-small-long": "cnn-to-vit-small-long",
}
PAGE = PROJECT / "docs" / "recipes.md"


opened = functools.cache(datasets.CIFAR10)  # its checksums and 180 MB are read once, not for every recipe


@pytest.fixture
def cifar10(cifar10_folder, monkeypatch):
    monkeypatch.setenv("KD_DATA", str(cifar10_folder))
    monkeypatch.setattr(datasets, "CIFAR10", opened)


def shortest(recipe: Recipe) -> Recipe:
    """The same recipe on a few images, for as few epochs as let every term count once."""
    epochs = max(term.from_epoch for term in recipe.terms)
    values = {
        "epochs": epochs,
        "data.train_images": 20,
        "data.batch_size": 8,
        "data.test_images": 20,
        "data.labels": "all",
        "probes.images": 1,
    }
    if recipe.teacher and recipe.teacher.finetune:
        values |= {"teacher.finetune.epochs": 1, "teacher.accept": True}  # which a few images make no good teacher
    for place, term in enumerate(recipe.terms):
        if term.method == "sskd":
            values[f"terms.{place}.options.head_steps"] = 2
    return recipes.with_values(recipe, values)


def trains(recipe: Recipe) -> dict[str, float]:
    """Train it to the end; its last losses."""
    steps = build_parts(shortest(recipe), seed=0, device=torch.device("cpu"))
    try:
        while True:
            next(steps)
    except StopIteration as ended:
        parts = ended.value
    events = list(train(parts))
    assert parts.step >= 2
    assert isinstance(events[-1], RunFinished)
    return [event for event in events if isinstance(event, StepEnded)][-1].losses["student"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_its_name_and_a_note(name, tmp_path):
    recipe = library.recipe(name)
    assert name.startswith("failures/") or recipe.name == name
    assert len(recipe.note) > 80
    for term in recipe.terms:
        methods.check(term)
    if recipe.data.name == "folder":  # a user's own photos
        recipe = recipes.with_values(recipe, {"data.path": str(tmp_path / "none")})
        with pytest.raises(UserError, match="There is no folder"):
            preflight.check(recipe)
    elif recipe.teacher and recipe.teacher.weights.endswith(".safetensors"):  # public weights, which are not bundled
        with pytest.raises(UserError, match=r"There is no weight file .* See docs/results\.md"):
            preflight.check(recipe)
    else:
        preflight.check(recipe)


@pytest.mark.parametrize("name", REPRODUCED)
def test_a_reproduced_recipe_says_what_it_costs_and_what_is_smaller(name):
    note = library.recipe(name).note
    assert re.search(r"\bCost\b|About .* on two cores", note), "no cost"
    assert note.startswith("Scaled down for two cores: ") == name.endswith("-small")


def test_every_reproduced_project_has_its_full_recipes_and_a_small_one_of_each():
    full = [name for name in REPRODUCED if not name.endswith("-small")]
    assert set(PROJECTS) <= set(full)
    assert {f"{name}-small" for name in full} == set(SMALL)


@pytest.mark.parametrize(("old", "name"), OLD_RECIPES.items())
def test_an_old_name_of_a_recipe_still_works(old, name):
    assert library.recipe(old) == library.recipe(name)


@pytest.mark.parametrize(("old", "name"), OLD_STUDIES.items())
def test_an_old_name_of_a_study_still_works(old, name):
    assert study.named(old) == study.named(name)


@pytest.mark.parametrize("old", ["s0", "s0-small", "s0-uniform-small"])
def test_the_flags_of_the_dynamic_attention_project_work_with_old_names(old):
    recipe = dynamic_attention_flags.applied(library.recipe(old), 0.6, None)
    assert [(term.method, term.weight) for term in recipe.terms] == [("attention", 0.6), ("kd", 0.4)]


def test_a_study_file_may_name_its_recipe_by_the_old_name(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("{name: mine, recipe: s2-static-small, seeds: [0]}", encoding="utf-8")
    (point,) = study.points(study.named(str(path)))
    assert point.recipe.terms == library.recipe("adaptive-hints-constant-small").terms


def test_a_study_that_was_started_under_an_old_name_is_read(tmp_path):
    started = Studies(Store(tmp_path))
    study_id = started.create(study.from_plain({"name": "s0-small", "recipe": "s0-small", "seeds": [0]}))
    path = tmp_path / "studies" / f"{study_id}.yaml"
    plain = yaml_text.read(path.read_text(encoding="utf-8"), source="it")
    plain["study"]["recipe"] = "s0-small"  # by name, as a file edited by hand may have it
    path.write_text(yaml_text.written(plain), encoding="utf-8")
    (place,) = started.state(study_id).places
    assert place.point.recipe.terms == library.recipe("dynamic-attention-small").terms


def test_a_run_with_the_old_name_is_one_group_with_runs_of_the_new(tmp_path):
    store, recipe = Store(tmp_path), recipes.with_values(library.recipe("s3-small"), {"seeds": [0]})
    runs = [
        store.create(recipe.model_copy(update={"name": name, "seeds": (seed,)}))
        for seed, name in enumerate(("s3-small", "class-space-small"))
    ]
    for run_id in runs:
        with store.writer(run_id) as writer:
            writer.append(RunFinished(step=1, results={}, seconds=1.0))
    assert [store.recipe(run_id).name for run_id in runs] == ["s3-small", "class-space-small"]
    assert store.by_recipe(runs) == [runs]


def test_an_old_name_with_a_slip_is_refused_as_it_was_typed():
    with pytest.raises(RecipeError, match=r"There is no recipe 's0-smal'\. Did you mean "):
        library.recipe("s0-smal")


@pytest.mark.parametrize("name", SMALL)
def test_a_small_recipe_needs_nothing_but_cifar_10(name):
    recipe = library.recipe(name)
    assert recipe.data.name == "cifar10"
    if recipe.teacher:
        assert (PROJECT / "assets" / "models" / f"{recipe.teacher.weights}.safetensors").is_file()
    assert recipe.student.weights == "none"


@pytest.mark.usefixtures("cifar10")
@pytest.mark.parametrize("name", SMALL)
def test_a_small_recipe_trains_on_real_images(name):
    losses = trains(library.recipe(name))
    assert all(0 < loss < 1e5 for loss in losses.values())


@pytest.mark.usefixtures("cifar10")
@pytest.mark.parametrize("name", METHOD_STUDIES)
def test_every_method_of_a_small_study_trains_on_real_images(name):
    own = library.recipe(name).terms  # which trains in the test above
    for point in study.points(study.named(name)):
        if point.seed == 0 and point.recipe.terms != own:
            assert trains(point.recipe), point.variant


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_says_what_it_is_and_its_variants_exist(name):
    found = study.named(name)
    assert len(found.note) > 80
    assert len(study.points(found)) == found.count
    for point in study.points(found):
        for term in point.recipe.terms:
            methods.check(term)


@pytest.mark.parametrize("name", [name for name in STUDIES if name.startswith(PROJECTS)])
def test_a_study_of_a_reproduced_project_has_three_random_seeds(name):
    assert study.named(name).seeds == (0, 1, 2)


def test_a_teacher_with_other_classes_is_refused_unless_it_is_fine_tuned():
    untuned = recipes.with_values(library.recipe("class-space"), {"teacher.finetune": None})
    with pytest.raises(RecipeError, match=r"1000 classes.* cifar10 has 10"):
        preflight.check(untuned)


def test_the_page_of_the_recipes_names_them_all_and_none_that_is_not_there():
    named = set(re.findall(r"^\| `([\w/-]+)`", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert named == {name for name in RECIPES if not name.startswith("failures/")} | set(STUDIES)


def test_every_command_on_the_page_names_a_recipe_or_a_study():
    text = PAGE.read_text(encoding="utf-8")
    for kind, known in (("distill", RECIPES), ("study", STUDIES)):
        named = [name for name in re.findall(rf"python -m kdcore {kind} ([\w/-]+)", text) if not name.startswith("-")]
        assert named
        assert set(named) <= {*known, "list", "resume", "evaluate", "report"}


@pytest.mark.parametrize("name", [*RECIPES, *STUDIES])
def test_what_a_note_says_was_measured_has_its_date_and_intervals(name):
    note = library.recipe(name).note if name in RECIPES else study.named(name).note
    for words in re.findall(r"Measured.*?\.(?= [A-Z]|$)", note):
        assert re.search(r"on 20\d\d-\d\d-\d\d, \w+ seeds", words), words
        assert len(re.findall(r"-?\d+\.\d to -?\d+\.\d\)", words)) >= words.count(";") + 1, words
