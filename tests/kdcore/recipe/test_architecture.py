"""What a recipe may pass to a network's constructor, and what no recipe and no weight file gets there."""

import inspect
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import timm
import torch
import torchvision.models as tv
from safetensors.torch import save_file

from kdcore import models
from kdcore import recipe as recipes
from kdcore.checks import teacher_check
from kdcore.models import pruned, resnets, weight_files, zoo
from kdcore.models.own import OWN
from kdcore.recipe import ModelRecipe, RecipeError, TeacherRecipe
from kdcore.recipe.architecture import DECIDED, SETTINGS, check_options
from kdcore.runtime import memory
from kdcore.setup.cost import estimate

CPU = torch.device("cpu")
TEN = tuple("abcdefghij")


@pytest.fixture
def address():
    """A local address that remembers what was requested of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815 (the library calls it so)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def attacks(address, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("not to be copied")
    into = str(tmp_path / "written")
    return [
        {"pretrained": True, "cache_dir": into, "pretrained_cfg_overlay": {"url": secret.as_uri(), "hf_hub_id": None}},
        {"pretrained": True, "cache_dir": into, "pretrained_cfg_overlay": {"url": f"{address}/a", "hf_hub_id": None}},
        {"pretrained": True, "pretrained_cfg": {"url": f"{address}/b"}},
        {"pretrained_cfg_overlay": {"file": str(secret)}},
        {"checkpoint_path": str(secret)},
        {"cache_dir": into},
        {"weights": "DEFAULT"},
        {"hf_hub_id": "someone/something"},
        {"model_cfg": {"a": 1}},
    ]


def untouched(asked, tmp_path):
    assert asked == []
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("number", range(9))
def test_no_option_fetches_or_writes_whichever_way_it_comes(number, address, tmp_path, tiny):
    url, asked = address
    options = attacks(url, tmp_path)[number]
    message = "cannot be set: weights come from `weights:`"
    for network in ("student", "teacher"):
        with pytest.raises(RecipeError, match=message):
            tiny(**{network: {"model": "test_vit", "options": options}})
        with pytest.raises(RecipeError, match=message):
            recipes.with_overrides(tiny(), [f"{network}.options={json.dumps(options)}"])
    for name in ("test_vit", "torchvision/resnet18", "five_conv"):
        with pytest.raises(ValueError, match=message):
            zoo.create(name, 10, 160, options)
    spec = ModelRecipe(model="test_vit", weights="pretrained").model_copy(update={"options": options})
    with pytest.raises(ValueError, match=message):
        models.build(spec, TEN, 160, download=True)
    untouched(asked, tmp_path)


@pytest.mark.parametrize("number", range(9))
def test_nor_does_a_weight_file_s_header(number, address, tmp_path, tiny):
    url, asked = address
    file = tmp_path / "m.safetensors"
    described = {"model": "test_vit", "options": attacks(url, tmp_path)[number], "classes": TEN, "image_size": 32}
    save_file({"a": torch.ones(1)}, file, metadata={"kdcore": json.dumps(described)})
    message = rf"{file}: the option '?\w+'? cannot be set"
    student = tiny(teacher=None, student={"weights": str(file)}, terms=[{"method": "ce"}])
    teacher = tiny(teacher={"weights": str(file)})
    for look in (
        lambda: models.load(str(file)),
        lambda: models.build(TeacherRecipe(weights=str(file)), TEN, 32),
        lambda: estimate(student, device=CPU),
        lambda: estimate(teacher, device=CPU),
        lambda: teacher_check.check(teacher, device=CPU),
    ):
        with pytest.raises(ValueError, match=message):
            look()
    untouched(asked, tmp_path)


@pytest.mark.parametrize(
    "name",
    ["hf-hub:timm/test_vit", "hf_hub:timm/test_vit", "HF-HUB:a/b", "local-dir:/tmp", "file:///etc/passwd", "a/b", "../x", "C:\\x",
     "torchvision/../x", "torchvision/a/b", "torchvision/", "/etc/passwd", "test_vit.tag/../../x", "", "a b", "x" * 300],
)  # fmt: skip
def test_a_model_s_name_is_no_address_and_no_path(name, tiny):
    with pytest.raises(RecipeError, match="is not a network's name: URLs, files and folders are not opened"):
        tiny(student={"model": name})
    for ask in (models.check, models.describe, lambda name: zoo.create(name, 10, 32)):
        with pytest.raises(ValueError, match="is not a network's name"):
            ask(name)


def test_every_network_of_the_libraries_may_be_named():
    for name in (*models.catalogue(), *timm.list_models(pretrained=True)):
        models.check(name)
    with pytest.raises(ValueError, match="There is no model 'test_vit.no_such_tag'"):
        models.check("test_vit.no_such_tag")


@pytest.mark.parametrize(
    "option, reason",
    [("num_classes", "the data decides how many classes"), ("in_chans", "images have three channels"),
     ("img_size", "`data.image_size` decides it"), ("features_only", "the project reads logits"),
     ("global_pool", "the project reads logits"), ("scriptable", "it changes how"), ("progress", "it changes how")],
)  # fmt: skip
def test_what_is_decided_elsewhere_is_refused_with_what_decides_it(option, reason, tiny):
    with pytest.raises(
        RecipeError, match=f"`student.options` cannot be used: the option {option} cannot be set: {reason}"
    ):
        tiny(student={"model": "resnet10t", "options": {option: 0}})


def test_unknown_options_are_met_with_the_nearest():
    with pytest.raises(ValueError, match="there is no option 'drop_rat'. Did you mean 'drop_rate'"):
        check_options({"drop_rat": 0.1})


@pytest.mark.parametrize(
    "options, wanted",
    [
        ({"depth": 10**9}, "depth must be a whole number from 0 to 200, or a list of up to 32 of them, not 1000000000"),
        ({"embed_dim": 10**7}, "embed_dim must be a whole number from 1 to 8192"),
        ({"embed_dim": -1}, "embed_dim must be"),
        ({"depths": [2, [2]]}, "depths must be"),
        ({"depths": [1] * 33}, "depths must be"),
        ({"depths": {"a": 1}}, "depths must be"),
        ({"depth": True}, "depth must be"),
        ({"depth": 2.0}, "depth must be"),
        ({"depth": "2"}, "depth must be"),
        ({"depth": None}, "depth must be"),
        ({"drop_rate": 1}, "drop_rate must be from 0 to below 1, not 1"),
        ({"drop_rate": float("nan")}, "drop_rate must be"),
        ({"mlp_ratio": float("inf")}, "mlp_ratio must be"),
        ({"qkv_bias": 1}, "qkv_bias must be true or false, not 1"),
        ({"norm_layer": "os.system"}, "norm_layer must be one of 'batchnorm'"),
        ({"act_layer": ["gelu"]}, "act_layer must be one of"),
        ({"patch_size": 1}, "patch_size must be a whole number from 2 to 64"),
        ({f"depth{i}": 1 for i in range(41)}, "41 options are more than the 40"),
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_with_the_range(options, wanted):
    with pytest.raises(ValueError, match=wanted):
        check_options(options)


def test_settings_of_architectures_still_reach_them():
    model = models.build(
        ModelRecipe(model="test_vit", options={"depth": 2, "act_layer": "relu", "qk_norm": True, "drop_path_rate": 0.1}),
        TEN, 96,
    )  # fmt: skip
    assert len(model.net.blocks) == 2
    assert isinstance(model.net.blocks[0].mlp.act, torch.nn.ReLU)
    swin = {"embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 7}
    assert models.describe("swin_tiny_patch4_window7_224", image_size=56, options=swin)["parameters"] < 100_000


def test_every_setting_is_one_of_some_constructor_and_none_is_decided_elsewhere():
    classes = [
        cls
        for module in (*(sys.modules[name] for name in list(sys.modules) if name.startswith(("timm.models.", "torchvision.models."))),)
        for cls in vars(module).values()
        if inspect.isclass(cls) and issubclass(cls, torch.nn.Module)
    ]  # fmt: skip
    makers = [*(cls.__init__ for cls in classes), *(network.make for network in OWN.values())]
    known = {name for make in makers for name in inspect.signature(make).parameters} | {*resnets.OPTIONS, pruned.OPTION}
    assert tv.resnet18  # the modules are there
    assert set(SETTINGS) <= known
    assert not set(SETTINGS) & set(DECIDED)


def test_a_network_that_does_not_fit_into_memory_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(memory, "free", lambda: 10**9)
    with pytest.raises(ValueError, match=r"The weights of test_vit would take [\d.]+ GB of memory, 1.0 GB are free"):
        zoo.create("test_vit", 10, 160, {"depth": 100, "embed_dim": 2048, "num_heads": 32})
    with pytest.raises(ValueError, match=r"The weights of vit_giant_patch14_clip_224 would take 4.0 GB"):
        zoo.create("vit_giant_patch14_clip_224", 10, 224)


def test_counting_the_weights_first_changes_no_number():
    torch.manual_seed(3)
    counted = zoo.create("test_vit", 7, 96, {"depth": 2})
    torch.manual_seed(3)
    plain = zoo.made("test_vit", 7, 96, {"depth": 2})
    torch.testing.assert_close(dict(counted.state_dict()), dict(plain.state_dict()), rtol=0, atol=0)


@pytest.mark.parametrize(
    "name, options, wanted",
    [
        ("test_vit", {"num_heads": 7}, "test_vit cannot be built with these options: .*divisible"),
        ("test_vit", {"depth": [1, 2]}, "test_vit cannot be built with these options: "),
        ("torchvision/vit_b_16", {"num_heads": 5}, "torchvision/vit_b_16 cannot be built with these options: "),
        ("three_stage_cnn", {"widths": 3}, "three_stage_cnn cannot be built with these options: "),
        ("small_vit_patch4_32", {"patch_size": 3}, "must be a power of two"),
        ("swin_tiny_patch4_window7_224", {"depths": 2}, "cannot be built with these options: "),
        ("resnet10t", {"output_stride": 7}, "cannot be built with these options: the library gives no reason"),
    ],
)
def test_options_that_do_not_go_together_are_refused_in_words(name, options, wanted):
    with pytest.raises(ValueError, match=wanted):
        zoo.create(name, 10, 224, options)


def test_a_saved_model_with_options_comes_back(tmp_path):
    model = models.build(ModelRecipe(model="test_vit", options={"depth": 2, "drop_rate": 0.1}), TEN, 96)
    weight_files.save(model, tmp_path / "m.safetensors")
    assert models.load(str(tmp_path / "m.safetensors")).description() == model.description()
