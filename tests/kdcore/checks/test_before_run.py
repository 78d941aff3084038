"""A recipe that cannot run is refused before it starts, in one sentence, with how to fix it; nothing is left behind."""

import re
import subprocess
import sys

import pytest
import timm
import torch
from PIL import Image

from kdcore import methods, models
from kdcore.checks import before_run, length, names, networks, preflight
from kdcore.cli.main import main
from kdcore.errors import UserError
from kdcore.models import zoo
from kdcore.paths import PROJECT
from kdcore.recipe import ModelRecipe, RecipeError, from_plain, with_overrides
from kdcore.runner import Runner
from kdcore.store import Store

SMALL = {"name": "cues", "image_size": 32, "train_images": 40, "test_images": 20, "batch_size": 8}
PLAIN = {"name": "mini", "data": SMALL, "student": {"model": "five_conv"}, "epochs": 2}
TEACHER = {"model": "resnet20", "accept": True}


def refusal(**changes):
    with pytest.raises(UserError) as refused:
        before_run.check(from_plain({**PLAIN, **changes}))
    message = str(refused.value)
    assert "\n" not in message
    assert not re.search(r"\wError", message)
    return message


def of_data(**changes):
    return {"data": {**SMALL, **changes}}


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"terms": [{"method": "kdd"}]}, "`terms.0.method`: unknown method 'kdd'. Did you mean 'kd'"),
        ({"student": {"model": "resnet888"}}, "`student.model`: there is no network 'resnet888'. Did you mean 'resnet18'"),
        ({"teacher": {"model": "torchvision/resnet19"}}, "`teacher.model`: there is no network 'torchvision/resnet19'."),
        (of_data(name="ceus"), "Unknown dataset 'ceus'. Did you mean 'cues'?"),
        (of_data(name="folder"), "Data 'folder' needs `path`"),
        (of_data(name="folder", path="/nowhere"), "There is no folder '/nowhere'"),
        (of_data(only=["sta", "ring"]), "`data.only` names 'sta', which is not a class of this dataset. Did you mean 'star'?"),
        (of_data(labels=0), "`data.labels` is 0, but there are 10 classes"),
        ({"data": {"name": "cues", "labels": 3}}, "`data.labels` is 3, but there are 10 classes and 18,000 training"),
        ({"terms": [{"method": "kd"}]}, "The recipe has no teacher, but kd needs one: choose a teacher (`teacher`), or remove"),
        ({"terms": [{"method": "ce"}, {"method": "kd"}, {"method": "sp"}]}, "kd and sp need one: choose a teacher (`teacher`), or remove the terms."),
        ({"terms": [{"method": "ce", "options": {"smoothnig": 0.1}}]}, "Method 'ce' has no option 'smoothnig'. Did you mean 'smoothing'?"),
        ({"terms": [{"method": "ce", "options": {"smoothing": 1.5}}]}, "The option 'smoothing' of the term 'ce' should be less than or equal to 1, not 1.5."),
        ({"terms": [{"method": "ce", "options": {"smoothing": True}}]}, "should be a number, not true"),
        ({"teacher": TEACHER, "terms": [{"method": "fitnets", "options": {"every": 1.5}}]}, "'every' of the term 'fitnets' should be an integer, not 1.5."),
        ({"teacher": TEACHER, "terms": [{"method": "fitnets", "options": {"relu": 1}}]}, "'relu' of the term 'fitnets' should be true or false, not 1."),
        ({"teacher": TEACHER, "terms": [{"method": "kd", "options": {"variant": "x"}}]}, "The term 'kd' cannot be used here: variant 'x' is not one of"),
        ({"student": {"weights": "nowhere.safetensors"}}, "There is no weight file nowhere.safetensors"),
        ({"student": {"weights": "cues-techer"}}, "There are no weights 'cues-techer'. Did you mean 'cues-teacher'"),
        ({"student": {"model": "inception_v3"}}, "inception_v3 does not take images of 32 px: set `data.image_size` to 299, its usual size"),
        ({"student": {"model": "torchvision/maxvit_t"}}, "torchvision/maxvit_t does not take images of 32 px: set `data.image_size` to 224"),
        ({"teacher": {"model": "crossvit_tiny_240"}, "terms": [{"method": "kd"}]}, "crossvit_tiny_240 does not take images of 32 px"),
        ({"student": {"model": "resnet10t", "options": {"depth": 3}}}, "resnet10t does not take the option 'depth'"),
        ({"student": {"model": "vit_tiny_patch16_224", "options": {"depth": 0}}}, "without blocks cannot be used: set its option depth to 1 or more"),
        ({"student": {"model": "test_vit", "options": {"patch_size": 64}}}, "test_vit does not work with these options on images of 32 px: "),
        ({"student": {"model": "torchvision/resnet18"}, **of_data(batch_size=1)}, "`data.batch_size` is 1, and torchvision/resnet18 normalises over a batch (BatchNorm)"),
        ({"student": {"model": "vit_tiny_patch16_224", "options": {"patch_size": 2}}, **of_data(image_size=1024)}, "make the images smaller (`data.image_size`), or choose a smaller network"),
        ({"student": {"model": "resnet18"}, **of_data(image_size=512, batch_size=8192)}, "`data.batch_size` to "),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_in_one_sentence(changes, told):
    assert told in refusal(**changes)


@pytest.mark.parametrize(
    "student, side",
    [("five_conv", 32), ("resnet10t", 64), ("vit_tiny_patch16_224", 64), ("regnety_002", 32), ("test_vit", 32), ("torchvision/vit_b_16", 32)],
)  # fmt: skip
def test_what_can_run_is_not_refused(student, side):
    long = {**PLAIN, "student": {"model": student}, **of_data(image_size=side), "epochs": 30}
    assert before_run.check(from_plain(long)) == ()


def test_a_run_of_too_few_steps_is_warned_of_with_settings_that_are_enough():
    recipe = from_plain({**PLAIN, **of_data(batch_size=64)})
    (found,) = before_run.check(recipe)
    assert found.in_words == (
        "The run has 2 steps (2 epochs of 1 batch). A network with random weights needs about 100, and so do the running averages "
        "of BatchNorm: with fewer it may predict one class for every image. Train for 100 epochs (epochs: 100); or train for 50 "
        "epochs in batches of 16 images, which is faster (data.batch_size: 16, epochs: 50)."
    )
    for remedy in found.remedies:
        assert before_run.check(with_overrides(recipe, list(remedy.changes))) == ()


def test_a_trained_student_needs_fewer_steps():
    trained = {**PLAIN, "student": {"model": "resnet18", "weights": "pretrained"}}
    assert length.short(from_plain(trained), 36) is None


def test_a_batch_of_one_is_no_matter_where_maps_are_larger_than_a_pixel():
    before_run.check(from_plain({**PLAIN, "student": {"model": "resnet10t"}, **of_data(image_size=64, batch_size=1)}))


def pictures(folder, count):
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (40, 40), (number, 2 * number, 9)).save(folder / f"{number}.png")


@pytest.mark.parametrize(
    "layout", [{"train/cat": 12, "train/dog": 12, "test/cat": 0, "test/dog": 0}, {"cat": 1, "dog": 1}]
)
def test_a_folder_without_a_test_image_is_refused_before_anything_is_trained(tmp_path, layout):
    for name, count in layout.items():
        pictures(tmp_path / "photos" / name, count)
    told = refusal(data={"name": "folder", "path": str(tmp_path / "photos"), "image_size": 32, "batch_size": 8})
    assert re.search("There is no (test|validation) image", told)


@pytest.mark.parametrize(
    "changes", [{"student": {"model": "inception_v3"}}, {"terms": [{"method": "kd"}]}, of_data(only=["ring", "x"])]
)
def test_runner_and_command_line_refuse_the_same_and_leave_nothing_behind(tmp_path, monkeypatch, capsys, changes):
    recipe = from_plain({**PLAIN, **changes})
    told = refusal(**changes)
    runner = Runner(Store(tmp_path), device="cpu")
    for refused in (runner.start, runner.check, runner.estimate):
        with pytest.raises(RecipeError) as raised:
            refused(recipe)
        assert str(raised.value) == told
    runner.close()
    monkeypatch.setenv("KD_RUNS", str(tmp_path))
    (tmp_path / "mini.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    assert main(["distill", str(tmp_path / "mini.yaml")]) == 1
    shown = capsys.readouterr()
    assert shown.err.strip() == f"error: {told}"
    assert shown.out == ""
    assert Store(tmp_path).ids() == []


def test_the_names_are_those_of_the_libraries():
    assert set(names.networks()) == {*zoo.names(), *timm.list_models(), *(n for n in zoo.catalogue() if "/" in n)}
    assert names.methods() == methods.names()


def test_a_misspelt_name_is_refused_without_torch():
    code = """
import sys
from kdcore.checks import preflight
from kdcore.recipe import from_plain
try:
    preflight.check(from_plain({"student": {"model": "resnet888"}}))
except ValueError as error:
    print(error, "torch" in sys.modules)
"""
    answer = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert answer.stdout.startswith("`student.model`: there is no network 'resnet888'.")
    assert answer.stdout.endswith("False\n")


def test_a_network_that_a_program_registers_is_known():
    @timm.models.register_model
    def net_of_this_test(pretrained=False, **settings):
        return timm.create_model("test_resnet", **settings)

    preflight.check(from_plain({**PLAIN, "student": {"model": "net_of_this_test"}}))


def test_memory_is_that_of_a_step_on_real_tensors():
    tried = networks.trial(from_plain(PLAIN | {"student": {"model": "resnet10t"}}).student, 10, 64)
    net = timm.create_model("resnet10t", num_classes=10).train()
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    for parameter in net.parameters():
        kept[parameter.untyped_storage().data_ptr()] = 0
    own = set(kept)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = net(torch.rand(2, 3, 64, 64))
    expected = sum(size for place, size in kept.items() if place not in own) / 2
    assert tried.step_bytes == pytest.approx(expected, rel=0.1)
    assert tried.parameters == sum(parameter.numel() for parameter in net.parameters())
    del loss


def test_a_batch_in_parts_needs_less_memory(monkeypatch):
    recipe = {**PLAIN, "student": {"model": "resnet10t"}, **of_data(image_size=64, batch_size=64)}
    tried = networks.trial(from_plain(recipe).student, 10, 64)
    fixed, image = networks.needs(tried, None, twin=False)
    monkeypatch.setattr(networks.memory, "total", lambda: fixed + 20 * image)
    told = refusal(**recipe)
    assert "A training step on 64 images of 64 px would need about" in told
    assert "set `optimizer.accumulate` to 4, `data.batch_size` to 20, or make the images smaller" in told
    before_run.check(from_plain({**recipe, "optimizer": {"accumulate": 4}}))
    before_run.check(from_plain({**recipe, **of_data(image_size=64, batch_size=20)}))


def test_weights_that_do_not_fit_their_network_are_refused(tmp_path):
    models.save(models.build(ModelRecipe(model="resnet20"), tuple("abcdefghij"), 32), tmp_path / "t.safetensors")
    weights = {"weights": str(tmp_path / "t.safetensors")}
    told = refusal(student={"model": "five_conv", **weights})
    assert "five_conv" in told
    assert "t.safetensors" in told
    before_run.check(from_plain({**PLAIN, "student": weights}))
    (tmp_path / "t.pth").write_bytes(b"PK\3\4" + bytes(99))
    told = refusal(student={"model": "five_conv", "weights": str(tmp_path / "t.pth")})
    assert "t.pth is a pickle, which can run code when it is opened" in told
    assert "--model NAME --out t.safetensors" in told
    (tmp_path / "lfs.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "is a pointer of Git LFS, not the weights" in refusal(student={"weights": str(tmp_path / "lfs.safetensors")})
    data = (tmp_path / "t.safetensors").read_bytes()
    (tmp_path / "t.safetensors").write_bytes(data[: len(data) // 2])
    assert "t.safetensors" in refusal(student=weights)
