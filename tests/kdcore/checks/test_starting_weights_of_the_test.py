"""A student whose starting weights were trained on test images of its run is named before the run and in its warnings."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from kdcore import models
from kdcore.checks import before_run, teacher_check, training_images
from kdcore.cli import main
from kdcore.data import loading
from kdcore.models import weight_files
from kdcore.recipe import ModelRecipe, Recipe
from kdcore.runner import Runner
from kdcore.store import Store
from tests.kdcore.conftest import TINY


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes of 20 images; the images of a seed that are held out for the test are others than those of another seed."""
    root, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name in ("cat", "dog"):
        (root / name).mkdir()
        for number in range(20):
            Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """A runner with a finished run whose test images are those of seed 7, and that run's id."""
    runner = Runner(Store(tmp_path_factory.mktemp("runs")), device="cpu", threads=1)
    plain = {
        **TINY,
        "teacher": None,
        "twin": False,
        "epochs": 1,
        "terms": [{"method": "ce"}],
        "data": data_of(folder, 7),
    }
    (run_id,) = runner.start(Recipe.model_validate(plain))
    assert runner.wait(run_id, 60)
    assert runner.store.state(run_id).status == "finished"
    yield runner, run_id
    runner.close()


def data_of(folder, seed, **more) -> dict:
    return {
        "name": "folder",
        "path": str(folder),
        "image_size": 16,
        "validation": 0,
        "batch_size": 16,
        "seed": seed,
        **more,
    }


def share_by_pixels(folder) -> float:
    """The share of the test images of seed 3 that are among the training images of seed 7."""
    tested, trained = (
        {image.numpy().tobytes() for image in loading.load(Recipe.model_validate({"student": {"model": "resnet20"}, "data": data_of(folder, seed)}).data, split).images}
        for seed, split in ((3, "test"), (7, "train"))
    )  # fmt: skip
    assert len(tested) == 8
    return len(tested & trained) / len(tested)


def test_the_warning_comes_before_the_run_and_during_it_and_its_remedy_helps(folder, trained, tiny):
    runner, before = trained
    share = share_by_pixels(folder)
    assert 0 < share < 1
    recipe = tiny(student={"weights": f"run:{before}/student"}, data=data_of(folder, 3), epochs=1)
    (found,) = [each for each in before_run.findings(recipe, runner.store) if each.check == "student"]
    assert found.in_words == (
        f"The student begins with weights that were trained on {100 * share:.0f} % of the test images: its accuracy on them, and its "
        "twin's, are too high for images that they have not seen. Hold out the test images that it was not trained on (data.test_seed: 7)."
    )
    (run_id,) = runner.start(recipe)
    assert runner.wait(run_id, 60)
    warnings = [note["text"] for note in runner.store.state(run_id).notes if note["level"] == "warning"]
    assert found.in_words in warnings
    mended = recipe.model_copy(update={"data": recipe.data.model_copy(update={"test_seed": 7})})
    assert training_images.of_the_student(mended, runner.store) == ()


def test_without_a_twin_none_is_named(folder, trained, tiny):
    runner, before = trained
    recipe = tiny(student={"weights": f"{before}/student"}, data=data_of(folder, 3), twin=False)  # without `run:`
    (found,) = training_images.of_the_student(recipe, runner.store)
    assert found.finding.endswith("its accuracy on them is too high for images that it has not seen.")


def test_weights_of_a_run_that_began_with_such_weights_are_named_too(folder, trained, tiny):
    runner, before = trained
    between = runner.store.create(tiny(student={"weights": f"run:{before}/student"}, data=data_of(folder, 3)))
    recipe = tiny(student={"weights": f"run:{between}/twin"}, data=data_of(folder, 3))
    assert len(training_images.of_the_student(recipe, runner.store)) == 1


def test_a_pruned_student_is_of_the_run_that_its_file_names(folder, trained, tiny, tmp_path):
    runner, before = trained
    origin = {
        "of": f"run:{before}/student",
        "score": "random",
        "macs": [2, 1],
        "parameters": [2, 1],
        "top1": [0.5, 0.5],
        "images": 8,
    }
    file = tmp_path / "pruned.safetensors"
    weight_files.save(models.load(f"run:{before}/student", runs=runner.store), file, card={"pruning": origin})
    recipe = tiny(student={"weights": str(file)}, data=data_of(folder, 3))
    assert len(training_images.of_the_student(recipe, runner.store)) == 1


def test_where_no_choice_of_test_images_helps_the_remedy_is_other_weights(folder, trained, tiny):
    runner, first = trained
    between = runner.store.create(tiny(student={"weights": f"run:{first}/student"}, data=data_of(folder, 3)))
    recipe = tiny(student={"weights": f"run:{between}/student"}, data=data_of(folder, 3))
    (found,) = training_images.of_the_student(recipe, runner.store)
    assert found.remedy.startswith("Choose weights that were trained on none of them")


@pytest.mark.parametrize(
    "student",
    [{"model": "three_stage_cnn_16"}, {"weights": "cues-student"}, {"model": "resnet18", "weights": "pretrained"}],
)
def test_nothing_is_said_of_other_weights(folder, tiny, student, tmp_path):
    assert training_images.of_the_student(tiny(student=student, data=data_of(folder, 3)), Store(tmp_path)) == ()
    assert (
        training_images.of_the_student(tiny(student=student), Store(tmp_path)) == ()
    )  # cues: other images for each pool


def test_a_teacher_that_is_fine_tuned_first_is_named_before_the_run_too(folder, trained, tiny):
    runner, before = trained
    teacher = {"weights": f"run:{before}/student", "finetune": {"epochs": 1}}
    checked = teacher_check.check(
        tiny(teacher=teacher, data=data_of(folder, 3)), device=torch.device("cpu"), runs=runner.store
    )
    assert [each.check for each in checked.findings if each.verdict == "warn"].count("test images") == 1


def test_of_ones_own_images_it_is_not_known_whether_a_library_has_trained_on_them(folder, tiny):
    for weights in ({"model": "resnet18", "weights": "pretrained"}, {"weights": "pretrained:resnet18"}):
        assert training_images.seen(tiny(teacher=weights, data=data_of(folder, 3)), "train") is None
        assert training_images.seen(tiny(teacher=weights), "train") == 0  # drawn images


def test_weights_that_lead_back_to_themselves_are_not_known(tmp_path, tiny):
    store = Store(tmp_path)
    run_id = store.create(tiny(teacher=None, twin=False, terms=[{"method": "ce"}]))
    file = store.folder(run_id) / "recipe.yaml"
    file.write_text(file.read_text().replace("weights: none", f"weights: run:{run_id}/student"))
    store = Store(tmp_path)
    assert f"run:{run_id}" in file.read_text()
    own = store.recipe(run_id).of_run().data
    assert training_images.trained_on(ModelRecipe(weights=f"run:{run_id}/student"), store) == ([own], False)


def test_pruned_weights_that_replaced_those_that_their_run_began_with_are_named(folder, trained, tiny, tmp_path):
    runner, before = trained
    file = tmp_path / "start.safetensors"
    between = runner.store.create(tiny(student={"weights": str(file)}, data=data_of(folder, 7)))
    origin = {
        "of": f"run:{between}/student",
        "score": "random",
        "macs": [2, 1],
        "parameters": [2, 1],
        "top1": [0.5, 0.5],
        "images": 8,
    }
    network = models.load(f"run:{before}/student", runs=runner.store)
    weight_files.save(network, file, card={"pruning": origin})
    (found,) = training_images.of_the_student(
        tiny(student={"weights": str(file)}, data=data_of(folder, 3)), runner.store
    )
    share = 100 * share_by_pixels(folder)
    assert found.finding.startswith(
        f"The student begins with weights that were trained on {share:.0f} % of the test images"
    )


def test_an_exported_network_began_with_the_weights_that_its_card_names(folder, trained, tiny, tmp_path):
    runner, before = trained
    between = runner.store.create(tiny(student={"weights": f"run:{before}/student"}, data=data_of(folder, 3)))
    card = {"network": "student", "recipe": runner.store.recipe(between).model_dump(mode="json", exclude_defaults=True)}
    (tmp_path / "exported.json").write_text(json.dumps(card))
    spec = ModelRecipe(weights=str(tmp_path / "exported.safetensors"))
    found, whole = training_images.trained_on(spec, runner.store)
    assert [each.seed_of("test") for each in found] == [3, 7]
    assert whole


@pytest.mark.parametrize("network", ["student", "teacher"])
def test_a_chain_of_a_thousand_runs_is_followed_to_its_end(network, tmp_path, tiny):
    store = Store(tmp_path)
    run_id = store.create(tiny(data={**TINY["data"], "seed": 5}, teacher=TINY["teacher"] | {"finetune": {"epochs": 1}}))
    for seed in range(1, 1100):
        begins = {"weights": f"run:{run_id}/{network}"}
        changed = {"student": begins} if network == "student" else {"teacher": begins}
        run_id = store.create(tiny(data={**TINY["data"], "seed": 5 if network == "teacher" else seed % 3}, **changed))
    found, whole = training_images.trained_on(ModelRecipe(weights=f"run:{run_id}/{network}"), store)
    assert {each.seed for each in found} == ({5} if network == "teacher" else {0, 1, 2, 5})
    assert whole


def test_the_command_names_a_student_that_saw_test_images_too(folder, trained, tiny, monkeypatch, tmp_path, capsys):
    runner, before = trained
    monkeypatch.setenv("KD_RUNS", str(runner.store.root))
    recipe = tiny(student={"weights": f"run:{before}/student"}, data=data_of(folder, 3))
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    main(["check-teacher", str(tmp_path / "recipe.yaml"), "--json"])
    listed = json.loads(capsys.readouterr().out)["findings"]
    (found,) = [each["finding"] for each in listed if each["check"] == "student"]
    assert found == training_images.of_the_student(recipe, runner.store)[0].finding
