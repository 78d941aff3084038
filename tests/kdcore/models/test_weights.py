import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from kdcore import models, paths
from kdcore.checks.weights import version
from kdcore.events import CheckpointSaved
from kdcore.models import sources
from kdcore.recipe import DataRecipe, FineTune, ModelRecipe, Recipe, TeacherRecipe
from kdcore.setup.build import build_parts
from kdcore.store import Store
from kdcore.store.run_files import checkpoint
from kdcore.training.evaluation import drained

TEN = tuple("abcdefghij")
FIVE = TEN[:5]
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def small(classes=TEN, image_size=32, seed=0, **keywords):
    torch.manual_seed(seed)
    spec = ModelRecipe(model="three_stage_cnn_16", options={"widths": [4, 4, 8]}, **keywords)
    return models.build(spec, classes, image_size)


def same(ours, theirs, **tolerance):
    torch.testing.assert_close(dict(ours.state_dict()), dict(theirs.state_dict()), **tolerance)


def test_a_model_comes_back_as_it_was_saved(tmp_path):
    model = small(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)).to(memory_format=torch.channels_last)
    models.save(model, tmp_path / "m.safetensors")
    back = models.load(str(tmp_path / "m.safetensors"))
    same(back, model)
    assert back.description() == model.description()
    assert back.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert back.classes == TEN


def test_half_precision_halves_the_file_and_loads_as_single(tmp_path):
    model = small()
    models.save(model, tmp_path / "m.safetensors", dtype=torch.float16)
    with safe_open(tmp_path / "m.safetensors", framework="pt") as file:
        assert file.get_tensor("stages.1.0.weight").dtype == torch.float16
        assert file.get_tensor("stages.1.1.running_var").dtype == torch.float32
    back = models.load(str(tmp_path / "m.safetensors"))
    assert {tensor.dtype for tensor in back.parameters()} == {torch.float32}
    same(back, model, atol=1e-3, rtol=1e-3)


def test_a_file_holds_the_networks_own_names_and_a_card(tmp_path):
    models.save(small(), tmp_path / "m.safetensors", card={"note": "hello"})
    with safe_open(tmp_path / "m.safetensors", framework="pt") as file:
        known = json.loads(file.metadata()["kdcore"])
        assert "head.weight" in file.keys()  # noqa: SIM118
    assert (known["model"], known["image_size"], known["note"]) == ("three_stage_cnn_16", 32, "hello")


def test_a_recipe_may_override_the_statistics_of_weights(tmp_path):
    models.save(small(), tmp_path / "m.safetensors")
    spec = ModelRecipe(weights=str(tmp_path / "m.safetensors"), mean=(0, 0, 0), std=(1, 1, 1))
    assert models.build(spec, TEN, 32).std.flatten().tolist() == [1, 1, 1]


def test_other_classes_need_a_new_classifier_which_only_something_that_trains_may_get(tmp_path):
    path = tmp_path / "m.safetensors"
    model = small()
    models.save(model, path)
    told: list[str] = []
    for spec in (ModelRecipe(weights=str(path)), TeacherRecipe(weights=str(path), finetune=FineTune())):
        student = models.build(spec, FIVE, 32, report=told.append)
        assert student.shapes().classes == 5
        assert student.classes == FIVE
        torch.testing.assert_close(student.net.stages[0][0].weight, model.net.stages[0][0].weight)
        assert "has 10 classes, other than these 5: it gets a new classifier" in told.pop()
    with pytest.raises(
        ValueError, match=r"has 10 classes, not these 5, so its predictions would be random. Fine-tune the teacher"
    ):
        models.build(TeacherRecipe(weights=str(path)), FIVE, 32)


def test_a_teacher_keeps_the_names_that_its_weights_know(tmp_path):
    models.save(small(), tmp_path / "m.safetensors")
    other = tuple("klmnopqrst")
    assert models.build(TeacherRecipe(weights=str(tmp_path / "m.safetensors")), other, 32).classes == TEN
    assert models.build(ModelRecipe(weights=str(tmp_path / "m.safetensors")), other, 32).classes == other


def test_weights_of_another_model_are_refused_by_name_and_shape(tmp_path):
    models.save(small(), tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="holds weights of 'three_stage_cnn_16', not of 'five_conv'"):
        models.build(ModelRecipe(model="five_conv", weights=str(tmp_path / "m.safetensors")), TEN, 32)
    save_file(small().net.state_dict(), tmp_path / "bare.safetensors")
    with pytest.raises(ValueError, match="does not say which model") as caught:
        models.load(str(tmp_path / "bare.safetensors"))
    assert "import-weights" in str(caught.value)
    with pytest.raises(ValueError, match="does not say which model its weights belong to: name it in `model`"):
        models.build(ModelRecipe(weights=str(tmp_path / "bare.safetensors")), TEN, 32)
    with pytest.raises(ValueError, match="do not fit three_stage_cnn_16") as caught:
        models.build(ModelRecipe(model="three_stage_cnn_16", weights=str(tmp_path / "bare.safetensors")), TEN, 32)
    assert "stages.0.0.weight has shape [4, 3, 3, 3], the model needs [16, 3, 3, 3]" in str(caught.value)
    spec = ModelRecipe(
        model="three_stage_cnn_16", weights=str(tmp_path / "bare.safetensors"), options={"widths": [4, 4, 8]}
    )
    same(models.build(spec, TEN, 32), small())


def test_a_vit_goes_to_another_image_size(tmp_path):
    model = models.build(ModelRecipe(model="small_vit_patch4_32", options={"depth": 1, "dim": 32, "heads": 2}), TEN, 32)
    models.save(model, tmp_path / "m.safetensors")
    told: list[str] = []
    larger = models.build(ModelRecipe(weights=str(tmp_path / "m.safetensors")), TEN, 64, report=told.append)
    assert larger.shapes().attention == ((2, 16, 16),)
    torch.testing.assert_close(larger.net.pos_embed[:, 0], model.net.pos_embed[:, 0])  # the class token's own
    assert "trained on images of 32 px" in told[0]


def test_pickles_are_refused_with_the_way_out(tmp_path):
    (tmp_path / "m.pth").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match=r"is a pickle, .* python -m kdcore import-weights"):
        models.load(str(tmp_path / "m.pth"))


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="There is no weight file .*nowhere.safetensors"):
        models.load("nowhere.safetensors")
    with pytest.raises(ValueError, match=r"There are no weights 'cifar-techer'.* Bundled: "):
        models.load("cifar-techer")
    with pytest.raises(ValueError, match="There is no run '20200101-x'"):
        models.load("run:20200101-x/student", runs=Store(tmp_path))
    with pytest.raises(ValueError, match="no folder of runs was given"):
        models.load("run:20200101-x/student")


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ValueError, match="is not a safetensors file, or it is damaged"):
        models.load(str(tmp_path / "m.safetensors"))


def test_bundled_models_are_those_with_a_card(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ASSETS", tmp_path)
    models.save(small(), tmp_path / "models" / "tiny.safetensors")
    (tmp_path / "models" / "tiny.json").write_text('{"title": "Tiny"}')
    (tmp_path / "models" / "lost.json").write_text("{}")
    assert models.bundled() == {"tiny": {"title": "Tiny"}}
    same(models.load("tiny"), small())


@pytest.fixture
def finished_run(tmp_path):
    """A run with a checkpoint: student and twin in it, the teacher named by the recipe."""
    models.save(small(seed=3), tmp_path / "teacher.safetensors")
    teacher = TeacherRecipe(weights=str(tmp_path / "teacher.safetensors"))
    recipe = Recipe(
        name="r",
        data=DataRecipe(image_size=32),
        teacher=teacher,
        student=ModelRecipe(model="three_stage_cnn_16"),
        twin=True,
    )
    store = Store(tmp_path / "runs")
    run_id = store.create(recipe)
    nets = {"student": small(seed=1), "twin": small(seed=2)}
    described = {name: net.description() for name, net in nets.items()} | {"teacher": small().description()}
    with store.writer(run_id) as writer:
        path = writer.checkpoint_path(7)
        checkpoint.save(
            {"step": 7} | {name: net.state_dict() for name, net in nets.items()}, path, description=described
        )
        writer.append(CheckpointSaved(7, 1.0, f"checkpoints/{path.name}"))
    return store, run_id


def test_a_runs_networks_load_by_reference(finished_run):
    store, run_id = finished_run
    same(models.load(f"run:{run_id}/student", runs=store), small(seed=1))
    same(models.load(f"run:{run_id}/twin", runs=store), small(seed=2))
    same(models.load(run_id, runs=store), small(seed=1))
    same(models.load(f"run:{run_id}/teacher", runs=store), small(seed=3))
    with pytest.raises(ValueError, match="A run has no 'parrot'; it has student, twin, teacher"):
        models.load(f"run:{run_id}/parrot", runs=store)


def test_a_runs_networks_are_weights_for_another_run(finished_run):
    store, run_id = finished_run
    for spec in (ModelRecipe(weights=f"run:{run_id}/teacher"), TeacherRecipe(weights=f"run:{run_id}/teacher")):
        same(models.build(spec, TEN, 32, runs=store), small(seed=3))
    same(models.build(TeacherRecipe(weights=f"run:{run_id}/student"), TEN, 32, runs=store), small(seed=1))


def test_a_fine_tuned_teacher_is_the_one_beside_the_run(finished_run):
    store, run_id = finished_run
    models.save(small(seed=4), store.folder(run_id) / "teacher.safetensors")
    same(models.load(f"run:{run_id}/teacher", runs=store), small(seed=4))


@pytest.fixture(scope="session")
def test_images(real_data, tmp_path_factory):
    """The first 300 test images of CIFAR-10, in [0, 1], and their labels."""
    folder = tmp_path_factory.mktemp("cifar")
    subprocess.run([sys.executable, str(real_data / "cifar10" / "unpack.py"), str(folder), "test_batch"], check=True)
    (file,) = folder.rglob("test_batch")
    with file.open("rb") as stream:
        batch = pickle.load(stream, encoding="bytes")  # the test data's own file
    images = torch.from_numpy(np.asarray(batch[b"data"][:300])).view(-1, 3, 32, 32)
    return images.float() / 255, torch.tensor(batch[b"labels"][:300])


@pytest.mark.parametrize("name, file", [("resnet20", "resnet20-12fca82f.th"), ("resnet56", "resnet56-4bfd9763.th")])
def test_published_cifar_resnets_load_strictly_and_are_right(name, file, real_data, test_images, tmp_path):
    out = tmp_path / "m.safetensors"
    models.import_weights([real_data / "weights" / file], name, CIFAR, 32, out=out)
    model = models.load(str(out)).eval()
    images, targets = test_images
    with torch.inference_mode():
        right = (model(images).logits.argmax(dim=1) == targets).float().mean()
    assert right > 0.9


def test_a_deit_in_two_files_is_a_cifar_teacher(real_data, test_images, tmp_path):
    folder, out = real_data / "weights", tmp_path / "m.safetensors"
    files = [folder / "deit_tiny_patch16_224.pth", folder / "deit_tiny_patch16_224_cifar10_update.pth"]
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    models.import_weights(files, "deit_tiny_patch16_224", CIFAR, 224, mean, std, out=out)
    model = models.build(TeacherRecipe(weights=str(out)), CIFAR, 224).eval()
    images, targets = test_images[0][:24], test_images[1][:24]
    larger = torch.nn.functional.interpolate(images, 224, mode="bilinear", align_corners=False)
    with torch.inference_mode():
        right = (model(larger).logits.argmax(dim=1) == targets).float().mean()
    assert right > 0.8


def test_a_teacher_that_a_thousand_runs_handed_on_is_the_first_one(tmp_path):
    store, (low, high) = Store(tmp_path / "runs"), ((0.1, 0.2, 0.3), (0.5, 0.4, 0.3))
    models.save(small(seed=3), tmp_path / "first.safetensors")
    weights, data = str(tmp_path / "first.safetensors"), DataRecipe(name="cues", image_size=32)
    for number in range(1100):
        more = {"mean": {500: high, 600: low}.get(number)}
        recipe = Recipe(
            student=ModelRecipe(model="resnet20"), teacher=TeacherRecipe(weights=weights, **more), data=data
        )
        weights = f"run:{store.create(recipe)}/teacher"
    spec = TeacherRecipe(weights=weights)
    built = models.build(spec, TEN, 32, runs=store)
    same(built.net, small(seed=3).net)
    assert built.mean.flatten().tolist() == pytest.approx(low)  # the later one of the two that set it
    assert models.missing(spec, store) == ""
    assert sources.without_weights(spec, store).model == "three_stage_cnn_16"
    assert version(spec, store).startswith(str(tmp_path / "first.safetensors"))


def test_a_teacher_that_leads_back_to_itself_is_refused(tmp_path):
    store = Store(tmp_path)
    recipe = Recipe(student=ModelRecipe(model="resnet20"), teacher=TeacherRecipe(model="resnet20"))
    run_id = store.create(recipe)
    file = store.folder(run_id) / "recipe.yaml"
    changed = recipe.model_copy(update={"teacher": TeacherRecipe(weights=f"run:{run_id}/teacher")})
    file.write_text(changed.to_full_yaml())
    with pytest.raises(
        ValueError, match=f"The teacher of run {run_id} leads back to itself: the recipe of run {run_id} was"
    ):
        models.missing(TeacherRecipe(weights=f"run:{run_id}/teacher"), Store(tmp_path))


def test_a_random_teacher_is_that_of_its_run(tmp_path, tiny):
    store = Store(tmp_path)
    run_id = store.create(tiny(seeds=[7], terms=[{"method": "ce"}, {"method": "kd"}]))
    parts = drained(build_parts(store.recipe(run_id), seed=7, device=torch.device("cpu"), runs=store))
    described = {name: model.description() for name, model in parts.models.items()}
    with store.writer(run_id) as writer:
        checkpoint.save(parts.state(), writer.checkpoint_path(1), description=described)
        writer.append(CheckpointSaved(1, 1.0, f"checkpoints/{writer.checkpoint_path(1).name}"))
    torch.manual_seed(0)
    before = torch.get_rng_state()
    same(models.load(f"run:{run_id}/teacher", runs=store).net, parts.teacher.model.net)
    assert torch.equal(torch.get_rng_state(), before)
