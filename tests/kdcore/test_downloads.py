"""Checking, pricing and examining a recipe download nothing; a run that starts does."""

import socket
import urllib.request

import pytest
import torch
from huggingface_hub import constants as hub
from safetensors.torch import save_file

from kdcore import models
from kdcore.checks import downloads, teacher_check
from kdcore.cli.main import main
from kdcore.data import loading
from kdcore.data.preview import preview
from kdcore.errors import NotHere
from kdcore.models import pretrained, zoo
from kdcore.recipe import DataRecipe, ModelRecipe, RecipeError
from kdcore.runner import Runner
from kdcore.setup.build import build_parts
from kdcore.store import Store

CPU = torch.device("cpu")
TEN = tuple("abcdefghij")
THOUSAND = tuple(str(label) for label in range(1000))
CIFAR = {"name": "cifar10", "image_size": 32, "train_images": 100, "test_images": 20, "batch_size": 16}
ALONE = {"teacher": None, "terms": [{"method": "ce"}], "twin": False}
RECIPES = {
    "a pretrained student": {**ALONE, "student": {"model": "test_resnet", "weights": "pretrained"}},
    "torchvision's": {**ALONE, "student": {"model": "torchvision/mobilenet_v3_small", "weights": "pretrained"}},
    "a teacher to be fine-tuned": {
        "teacher": {"model": "test_vit", "weights": "pretrained", "finetune": {"epochs": 1}},
        "terms": [{"method": "ce"}, {"method": "kd"}],
    },
    "a teacher whose classes are mapped": {
        "data": {**CIFAR, "only": ["airplane", "dog"]},
        "teacher": {"model": "test_vit", "weights": "pretrained", "map_classes": True},
        "terms": [{"method": "ce"}, {"method": "kd"}],
    },
    "images alone": {"data": CIFAR},
    "images of some classes": {"data": {**CIFAR, "only": ["cat", "dog"]}, **ALONE},
}


@pytest.fixture
def attempts(tmp_path, monkeypatch):
    """Empty caches, a network that seems to be there, and every way to it raises and is written down."""
    tried: list[str] = []

    def closed(name):
        def refuse(*arguments, **_):
            tried.append(name)
            raise OSError(f"{name} was called")

        return refuse

    monkeypatch.setattr(downloads, "reachable", lambda address: True)
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    for owner, name in (
        (socket, "create_connection"),
        (socket, "getaddrinfo"),
        (socket.socket, "connect"),
        (urllib.request, "urlopen"),
        (torch.hub, "download_url_to_file"),
    ):
        monkeypatch.setattr(owner, name, closed(name))
    for path in ("timm.models._hub.hf_hub_download", "timm.models._builder.load_state_dict_from_hf",
                 "timm.models._builder.load_state_dict_from_url", "torchvision.models._api.load_state_dict_from_url"):  # fmt: skip
        monkeypatch.setattr(path, closed(path))
    return tried


@pytest.fixture
def runner(tmp_path):
    runner = Runner(Store(tmp_path / "runs"), device="cpu")
    yield runner
    runner.close()


@pytest.mark.parametrize("case", RECIPES)
def test_a_check_an_estimate_and_a_teacher_check_download_nothing_and_name_what_is_missing(
    case, tiny, runner, attempts
):
    recipe = tiny(**RECIPES[case])
    runner.check(recipe)
    cost = runner.estimate(recipe)
    assert cost.seconds > 0
    assert all("not on this machine yet: they are downloaded" in text for text in cost.downloads)
    assert len(cost.downloads) == ("pretrained" in str(recipe)) + (recipe.data.name == "cifar10")
    checked = runner.check_teacher(recipe)
    teacher_check.is_quick(recipe)
    if recipe.teacher:
        told = [finding.finding for finding in checked.findings if finding.check == "download"]
        assert told == [f"{text} The teacher is checked after that." for text in cost.downloads]
        assert checked.verdict == "warn"
    assert attempts == []


@pytest.mark.parametrize("case", RECIPES)
def test_a_start_is_refused_where_the_host_cannot_be_reached(case, tiny, runner, attempts, monkeypatch):
    hosts = []
    monkeypatch.setattr(downloads, "reachable", lambda address: hosts.append(address))
    for refused in (runner.check, runner.start, runner.estimate):
        with pytest.raises(
            RecipeError, match=r"not on this machine yet.* cannot be reached from here now: connect this"
        ):
            refused(tiny(**RECIPES[case]))
    assert all(address.startswith("https://") for address in hosts)
    assert (runner.store.ids(), attempts) == ([], [])


@pytest.mark.parametrize("case", RECIPES)
def test_a_start_does(case, tiny, attempts):
    with pytest.raises(ValueError, match=r"could not be downloaded|downloading .* failed"):
        list(build_parts(tiny(**RECIPES[case]), seed=0, device=CPU))
    assert attempts


def test_a_run_s_pretrained_teacher_is_neither(tiny, runner, attempts):
    earlier = tiny(teacher={"model": "test_vit", "weights": "pretrained", "map_classes": True}, data=CIFAR)
    run_id = runner.store.create(earlier)
    recipe = tiny(teacher={"weights": f"run:{run_id}/teacher"}, data=CIFAR, terms=[{"method": "ce"}, {"method": "kd"}])
    runner.check(recipe)
    assert runner.estimate(recipe).teacher_parameters == models.describe("test_vit", image_size=32)["parameters"]
    assert [finding.check for finding in runner.check_teacher(recipe).findings[:2]] == ["download", "download"]
    with pytest.raises(NotHere, match="The pretrained weights of test_vit are not on this machine yet"):
        models.build(recipe.teacher, TEN, 32, runs=runner.store)
    assert attempts == []


def test_a_look_at_images_downloads_none(attempts):
    for look in (lambda recipe: preview(recipe, 4), lambda recipe: loading.load(recipe, "test")):
        with pytest.raises(
            NotHere, match="The images of cifar100 are not on this machine yet: .* when a run that uses them"
        ):
            look(DataRecipe(name="cifar100"))
    assert attempts == []


def test_examine_on_the_command_line_says_so(tiny, tmp_path, attempts, capsys):
    file = tmp_path / "r.yaml"
    file.write_text(tiny(data=CIFAR).to_yaml(), encoding="utf-8")
    assert main(["examine", str(file)]) == 0
    assert "not on this machine yet" in " ".join(capsys.readouterr().out.split())
    assert main(["doctor"]) == 0
    assert attempts == []


def in_the_hub(tmp_path):
    folder = tmp_path / "hub" / "models--timm--test_vit.r160_in1k"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    return folder / "snapshots" / "abc" / "model.safetensors"


def test_weights_in_the_hub_s_cache_are_used_without_a_connection(tmp_path, attempts):
    net = zoo.create("test_vit", 1000, 160)
    save_file(net.state_dict(), in_the_hub(tmp_path))
    spec = ModelRecipe(model="test_vit", weights="pretrained")
    assert models.missing(spec) == ""
    for download in (False, True):
        found = models.build(spec, THOUSAND, 160, download=download)
        torch.testing.assert_close(dict(found.net.state_dict()), dict(net.state_dict()))
    assert attempts == []


def test_weights_in_torch_s_cache_are_used_without_a_connection(tmp_path, attempts, monkeypatch):
    monkeypatch.undo()  # torchvision's own loader, which is to find the file
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("a download"))
    name = "torchvision/squeezenet1_1"
    net = zoo.create(name, 1000, 64)
    (tmp_path / "torch" / "checkpoints").mkdir(parents=True)
    torch.save(net.state_dict(), tmp_path / "torch" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    found = models.build(ModelRecipe(model=name, weights="pretrained"), THOUSAND, 64)
    torch.testing.assert_close(dict(found.net.state_dict()), dict(net.state_dict()))


def test_weights_in_another_library_s_layout_are_left_to_timm(monkeypatch, tmp_path, attempts):
    file = tmp_path / "torch" / "checkpoints" / "Ti_16.npz"
    assert pretrained._from(file)["pretrained_cfg_overlay"] == {"file": str(file), "custom_load": True}
    assert pretrained._from(file.with_suffix(".safetensors"))["pretrained_cfg_overlay"]["custom_load"] is False


def test_an_archive_put_there_by_hand_is_no_download(tmp_path, attempts):
    assert "cifar10" in loading.missing(DataRecipe(name="cifar10"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cifar-10-python.tar.gz").write_bytes(b"half of it")
    assert loading.missing(DataRecipe(name="cifar10")) == ""
    with pytest.raises(NotHere, match="The files of cifar10 in .* are damaged or not complete"):
        loading.load(DataRecipe(name="cifar10"), "test")
    assert attempts == []
