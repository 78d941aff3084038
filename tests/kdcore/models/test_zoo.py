import socket

import pytest
import torch

from kdcore import models
from kdcore.errors import UserError
from kdcore.models import zoo
from kdcore.recipe import ModelRecipe, TeacherRecipe

TEN = tuple("abcdefghij")


@pytest.mark.parametrize("name", models.names())
def test_our_models_learn_from_a_batch(name):
    side = models.default_image_size(name)
    options = {"depth": 1} if "vit" in name else {}
    model = models.build(ModelRecipe(model=name, options=options), TEN, side).train()
    model(torch.rand(2, 3, side, side)).logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(
    "name, parameters, last_map",
    [
        ("three_stage_cnn", (1.1e6, 1.2e6), (256, 16, 16)),  # a quarter of 64 px
        ("three_stage_cnn_16", (5e4, 1e5), (64, 8, 8)),
        ("five_conv", (1.25e6, 1.35e6), (384, 4, 4)),
        ("resnet20", (0.26e6, 0.28e6), (64, 8, 8)),  # 0.27 M in He et al.
        ("resnet56", (0.84e6, 0.86e6), (64, 8, 8)),  # 0.85 M
        ("resnet8x4", (1.2e6, 1.25e6), (256, 8, 8)),  # 1.23 M in RepDistiller, at 100 classes
        ("resnet32x4", (7.4e6, 7.45e6), (256, 8, 8)),  # 7.43 M
        ("small_vit_patch4_32", (2.8e6, 3e6), (192, 8, 8)),
        ("small_vit_patch8_64", (1.2e6, 1.4e6), (128, 8, 8)),
        ("hybrid_vit_patch4_32", (1e6, 1.2e6), (128, 8, 8)),
    ],
)
def test_our_models_have_the_size_they_are_known_for(name, parameters, last_map):
    described = models.describe(name)
    assert parameters[0] < described["parameters"] < parameters[1]
    assert described["features"][-1] == last_map


def test_the_three_stage_student_has_its_maps_and_with_a_projection_its_size():
    student = models.describe("three_stage_cnn", image_size=224, options={"convolutions": [2, 2, 3]})
    assert student["features"] == ((64, 112, 112), (128, 56, 56), (256, 56, 56))
    assert student["parameters"] + 256 * 192 == pytest.approx(1.8e6, rel=0.01)  # 192 is a tiny ViT's width
    with pytest.raises(ValueError, match=r"convolutions \[1, 2\] do not go with 3 stages"):
        zoo.create("three_stage_cnn", 10, 32, {"convolutions": [1, 2]})


def test_a_resnet_takes_dropout_and_a_small_stem():
    plain = models.describe("torchvision/resnet18", image_size=32)
    small = models.describe("torchvision/resnet18", image_size=32, options={"small_stem": True, "dropout": 0.5})
    assert [shape[1] for shape in plain["features"]] == [16, 8, 4, 2, 1]
    assert [shape[1] for shape in small["features"]] == [32, 16, 8, 4]
    model = models.build(ModelRecipe(model="torchvision/resnet18", options={"dropout": 0.5}), TEN, 32)
    assert model.net.fc[0].p == 0.5
    assert model.head_parameters()[0].shape == (10, 512)
    with pytest.raises(ValueError, match="dropout must be from 0 to below 1, not 1.5"):
        zoo.create("torchvision/resnet18", 10, 32, {"dropout": 1.5})


def test_options_change_a_model_and_wrong_ones_are_named():
    wide = models.describe("three_stage_cnn_16", image_size=32, options={"widths": [8, 8, 8], "strides": [1, 2, 2]})
    assert wide["features"] == ((8, 32, 32), (8, 16, 16), (8, 8, 8))
    assert len(models.describe("small_vit_patch4_32", options={"depth": 2, "dim": 64, "heads": 2})["attention"]) == 2
    with pytest.raises(
        ValueError,
        match="does not take the option 'width'. Did you mean 'widths'? It takes widths, strides".replace("?", r"\?"),
    ):
        zoo.create("five_conv", 10, 32, {"width": [1, 2]})
    with pytest.raises(ValueError, match="there is no option 'colour'. Options are settings of the architecture"):
        zoo.create("test_vit", 10, 160, {"colour": 1})
    with pytest.raises(ValueError, match="torchvision/resnet18 does not take the option 'embed_dim': leave it out"):
        zoo.create("torchvision/resnet18", 10, 64, {"embed_dim": 8})
    with pytest.raises(ValueError, match="test_vit cannot be built with these options: .*divisible"):
        zoo.create("test_vit", 10, 160, {"embed_dim": 7})


@pytest.mark.parametrize("name", ["small_vit_patch4_32", "small_vit_patch8_64", "hybrid_vit_patch4_32"])
@pytest.mark.parametrize("value", ["DeepConvStem", 1, None])
def test_the_stem_of_a_network_is_not_an_option(name, value):
    with pytest.raises(ValueError, match="there is no option 'stem'. Did you mean 'vit_stem'"):
        ModelRecipe(model=name, options={"stem": value})
    with pytest.raises(UserError, match="'stem'"):
        zoo.create(name, 10, 32, {"stem": value})
    with pytest.raises(UserError, match=f"{name} does not take the option 'stem'.*takes patch_size, dim, depth, heads"):
        zoo.made(name, 10, 32, {"stem": value})  # past the list of settings


def test_a_hybrid_has_convolutions_at_three_resolutions_before_its_tokens():
    net = zoo.create("hybrid_vit_patch4_32", 10, 32, {"depth": 1})
    seen = [each for each in net.patch_embed.proj if isinstance(each, (torch.nn.Conv2d, torch.nn.MaxPool2d))]
    assert [type(each).__name__[:4] for each in seen] == [
        "Conv",
        "Conv",
        "MaxP",
        "Conv",
        "Conv",
        "MaxP",
        "Conv",
        "Conv",
    ]
    images = torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
    net.eval().patch_embed.proj(images)[:, :, 4, 4].sum().backward()
    rows = images.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert (rows.min().item(), rows.max().item() + 1) == (6, 30)  # a cell sees 24 pixels
    with pytest.raises(UserError, match="The patch size of a deep convolutional stem is 4, not 8"):
        zoo.create("hybrid_vit_patch4_32", 10, 32, {"patch_size": 8})


def test_an_unknown_name_is_met_with_the_nearest_ones():
    with pytest.raises(ValueError, match="There is no model 'three_stage_cn'.* Did you mean 'three_stage_cnn'"):
        models.build(ModelRecipe(model="three_stage_cn"), TEN, 32)
    with pytest.raises(ValueError, match="'vit_tiny_patch16_224'"):
        models.check("vit_tiny_patch_224")
    with pytest.raises(ValueError, match="'torchvision/resnet50'"):
        models.check("torchvision/resnet-50")
    models.check("vit_tiny_patch16_224.augreg_in21k")


def test_the_catalogue_holds_all_three_collections():
    found = models.catalogue("resnet")
    assert {"resnet20", "resnet18", "torchvision/resnet50"} <= set(found)
    assert models.catalogue("vit tiny patch16_224")
    assert models.catalogue("no such thing") == ()


def test_image_sizes():
    assert models.default_image_size("torchvision/resnet18") == 224
    assert models.default_image_size("test_vit") == 160
    assert models.default_image_size("small_vit_patch8_64") == 64


def test_flops_of_a_convolution_by_hand():
    model = models.build(ModelRecipe(model="five_conv", options={"widths": [4], "strides": [1]}), TEN, 8)
    convolution, linear = 2 * (3 * 9) * 4 * 64, 2 * 4 * 10  # multiply and add; 8x8 places
    assert models.flops(model) == convolution + linear
    assert models.parameters(model) == 3 * 9 * 4 + 2 * 4 + 4 * 10 + 10


def test_flops_count_the_attention():
    d, n, h = 64, 36 + 1, 6  # test_vit: width, tokens at 96 px, blocks
    mlp = models.describe("test_vit", image_size=96)["flops"] - h * (
        2 * n * d * 3 * d + 2 * n * d * d + 2 * 2 * n * n * d
    )
    assert 0.5 < mlp / (h * 2 * 2 * n * d * 3 * d) < 1.5  # what is left is the mlp (ratio 3) and the patch embedding


@pytest.mark.parametrize("name", ["pit_ti_224", "efficientformerv2_s0"])
def test_flops_of_networks_that_hand_a_parameter_to_a_module(name):
    """The counter expects gradients of what a module gets."""
    assert models.describe(name)["flops"] == models.flops(models.shapes_only(name)) > 1e8


def test_pretrained_weights_that_cannot_be_had_are_explained(monkeypatch):
    def offline(*args: object, **keywords: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    monkeypatch.setattr(socket, "create_connection", offline)
    for name, source in [
        ("test_vit", "huggingface.co/timm/test_vit"),
        ("torchvision/shufflenet_v2_x0_5", "download.pytorch.org"),
    ]:
        with pytest.raises(ValueError, match="could not be downloaded") as caught:
            models.build(ModelRecipe(model=name, weights="pretrained"), TEN, 160, download=True)
        message = str(caught.value)
        assert source in message
        assert f"/weights/{name}.safetensors" in message
        assert "bundled" in message


def test_a_model_without_pretrained_weights_says_so():
    with pytest.raises(ValueError, match="no pretrained weights of 'five_conv'. What works without"):
        models.build(ModelRecipe(model="five_conv", weights="pretrained"), TEN, 32)


@pytest.mark.parametrize("name, side", [("test_vit", 160), ("torchvision/squeezenet1_1", 64)])
def test_a_file_in_the_data_folder_stands_for_the_download(name, side, monkeypatch, tmp_path):
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    thousand = tuple(str(label) for label in range(1000))
    zoo_model = models.build(ModelRecipe(model=name), thousand, side)
    models.save(zoo_model, tmp_path / "weights" / f"{name}.safetensors")

    whole = models.build(TeacherRecipe(model=name, weights="pretrained"), thousand, side)
    torch.testing.assert_close(dict(whole.state_dict()), dict(zoo_model.state_dict()))

    told: list[str] = []
    student = models.build(ModelRecipe(model=name, weights="pretrained"), TEN, side, report=told.append)
    assert student.shapes().classes == 10
    assert "new classifier for 10 classes" in told[0]
    first = next(iter(student.state_dict()))
    torch.testing.assert_close(student.state_dict()[first], zoo_model.state_dict()[first])

    with pytest.raises(ValueError, match=r"predictions would be random. Fine-tune the teacher"):
        models.build(TeacherRecipe(model=name, weights="pretrained"), TEN, side)
