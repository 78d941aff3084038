"""What taps give besides logits, features and attention: dense logits, and the last block's queries, keys and values."""

import copy

import pytest
import torch
import torchvision.models as tv
from torch import Tensor, nn

from kdcore import models
from kdcore.models import Tapped
from kdcore.recipe import ModelRecipe
from kdcore.tensors.outputs import Outputs

TEN = tuple("abcdefghij")
DENSE, QKV = frozenset({"dense"}), frozenset({"qkv"})


def tapped(name: str, image_size: int, **options: object) -> Tapped:
    torch.manual_seed(0)
    model = models.build(ModelRecipe(model=name, options=options), TEN, image_size).eval()
    for (
        key,
        parameter,
    ) in model.named_parameters():  # freshly made, queries and keys are too small to attend to anything
        if key.endswith(("qkv.weight", "qkv.bias", "in_proj_weight")):
            parameter.data.normal_(std=0.05)
    return model


def torchvision_vit() -> Tapped:
    torch.manual_seed(0)
    net = tv.VisionTransformer(32, 8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=10)
    for layer in net.encoder.layers:
        nn.init.normal_(layer.self_attention.in_proj_weight, std=0.5)
    half = (0.5, 0.5, 0.5)
    return Tapped(net, name="tiny", classes=TEN, image_size=32, mean=half, std=half).eval()


AVERAGING = {
    "test_resnet": 64,
    "resnet20": 32,
    "three_stage_cnn_16": 32,
    "torchvision/resnet18": 64,
}
NOT_AVERAGING = {
    "test_convnext": 64,  # a norm between the mean and the classifier
    "test_efficientnet": 64,  # another convolution after the last map
    "torchvision/mobilenet_v3_small": 64,  # two linear layers
    "torchvision/squeezenet1_1": 64,  # the classifier is a convolution
    "test_vit": 96,  # a class token
    "test_vit2": 96,  # the mean, but of normalised tokens
    "deit_tiny_distilled_patch16_224": 64,  # two classifiers
    "small_vit_patch4_32": 32,
    "swin_tiny_patch4_window7_224": 224,  # a norm before the mean
}


@pytest.mark.parametrize("name", AVERAGING)
@pytest.mark.parametrize("training", [False, True])
def test_dense_logits_average_to_the_logits(name, training):
    model = tapped(name, AVERAGING[name]).train(training)
    said = model(torch.rand(2, 3, AVERAGING[name], AVERAGING[name]), DENSE)
    assert said.dense.shape == (2, 10, *model.shapes().dense) == (2, 10, *said.features[-1].shape[2:])
    torch.testing.assert_close(said.dense.mean(dim=(2, 3)), said.logits, atol=1e-5, rtol=1e-4)
    assert said.dense.std(dim=(2, 3)).min() > 0  # places differ


@pytest.mark.parametrize("name", NOT_AVERAGING)
def test_there_are_no_dense_logits_without_a_mean_before_a_linear_classifier(name):
    model = tapped(name, NOT_AVERAGING[name])
    said = model(torch.rand(1, 3, NOT_AVERAGING[name], NOT_AVERAGING[name]), DENSE)
    assert said.dense is None
    assert model.shapes().dense is None


def test_a_classifier_that_answers_0_to_everything_does_not_make_a_class_token_a_mean():
    model = torchvision_vit()
    assert not model.net.heads.head.weight.any()  # torchvision's own initialisation
    assert model.shapes().dense is None


def test_dense_logits_know_nothing_of_dropout():
    model = tapped("test_resnet", 64, drop_rate=0.5)
    images = torch.rand(2, 3, 64, 64)
    said = model(images, DENSE)
    torch.testing.assert_close(said.dense.mean(dim=(2, 3)), said.logits, atol=1e-5, rtol=1e-4)
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    torch.testing.assert_close(model(images, DENSE).dense, said.dense)


def test_the_gradient_of_dense_logits_reaches_classifier_and_network():
    model = tapped("three_stage_cnn_16", 32).train()
    model(torch.rand(2, 3, 32, 32), DENSE).dense.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def patches_attend(said: Outputs) -> Tensor:
    """softmax(q k^T / sqrt(d)) over patches alone, [B, h, N, N]."""
    query, key = said.qkv[:, 0].flatten(3), said.qkv[:, 1].flatten(3)  # [B, h, d, N]
    return (query.transpose(2, 3) @ key / query.shape[2] ** 0.5).softmax(dim=3)


def agree(said: Outputs, attention: Tensor, prefix_values: Tensor, attended: Tensor) -> None:
    """What was read against the block's own full attention [B, h, N, N] and what it gave, heads joined, [B, N, h d].

    Args:
        prefix_values: of the tokens before the patches, [B, h, P, d].
    """
    prefix = prefix_values.shape[2]
    among_patches = attention[:, :, prefix:, prefix:]
    share = among_patches.sum(dim=3, keepdim=True)  # the rest goes to the prefix tokens
    torch.testing.assert_close(patches_attend(said), among_patches / share, atol=1e-5, rtol=1e-4)
    values = said.qkv[:, 2].flatten(3).transpose(2, 3)  # [B, h, N, d]
    given = share * patches_attend(said) @ values + attention[:, :, prefix:, :prefix] @ prefix_values
    torch.testing.assert_close(given.transpose(1, 2).flatten(2), attended[:, prefix:], atol=1e-5, rtol=1e-4)
    assert among_patches.std() > 1e-4  # not a flat map


@pytest.mark.parametrize(
    "name, side, prefix, options",
    [
        ("test_vit", 96, 1, {}),
        ("test_vit", 96, 1, {"qk_norm": True}),
        ("deit_tiny_distilled_patch16_224", 64, 2, {"depth": 2}),
        ("vit_small_patch14_reg4_dinov2", 56, 5, {"depth": 2}),
        ("small_vit_patch4_32", 32, 1, {}),
        ("test_vit2", 96, 1, {}),  # a register and no class token
    ],
)
def test_queries_keys_and_values_are_those_of_the_last_block_s_patches(name, side, prefix, options):
    model = tapped(name, side, **options)
    assert model.prefix_tokens == prefix
    images = torch.rand(2, 3, side, side)
    with torch.no_grad():
        said = model(images, QKV)
    assert said.qkv.shape == (2, 3, *model.shapes().qkv)
    assert said.qkv.shape[4:] == model.shapes().features[-1][1:]

    own = model.net.blocks[-1].attn
    assert own.fused_attn
    own.fused_attn = False
    seen: dict[str, Tensor] = {}
    own.qkv.register_forward_hook(lambda module, inputs, output: seen.update(qkv=output))
    own.attn_drop.register_forward_hook(lambda module, inputs, output: seen.update(attention=inputs[0]))
    own.proj.register_forward_hook(lambda module, inputs, output: seen.update(attended=inputs[0]))
    with torch.no_grad():
        model(images)
    values = seen["qkv"].unflatten(2, (3, own.num_heads, own.head_dim))[:, :, 2].transpose(1, 2)
    agree(said, seen["attention"], values[:, :, :prefix], seen["attended"])


def test_queries_keys_and_values_of_torchvision_s_vit():
    model = torchvision_vit()
    own = model.net.encoder.layers[-1].self_attention
    seen: list[Tensor] = []
    hook = own.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.no_grad():
        said = model(torch.rand(2, 3, 32, 32), QKV)
        hook.remove()
        output, attention = own(seen[0], seen[0], seen[0], need_weights=True, average_attn_weights=False)
        class_value = nn.functional.linear(seen[0][:, :1], own.in_proj_weight, own.in_proj_bias)[:, :, 32:]
        attended = (output - own.out_proj.bias) @ torch.linalg.inv(own.out_proj.weight).T
    assert said.qkv.shape == (2, 3, 2, 8, 4, 4) == (2, 3, *model.shapes().qkv)
    agree(said, attention, class_value.unflatten(2, (2, 8)).transpose(1, 2), attended)


def test_a_grid_of_queries_need_not_be_square():
    model = tapped("test_vit", 96, dynamic_img_size=True)
    assert model(torch.rand(1, 3, 64, 128), QKV).qkv.shape == (1, 3, 2, 32, 4, 8)


@pytest.mark.parametrize("name, side", [("test_resnet", 64), ("swin_tiny_patch4_window7_224", 224)])
def test_without_a_vit_s_last_block_there_are_no_queries(name, side):
    model = tapped(name, side)
    assert model(torch.rand(1, 3, side, side), QKV).qkv is None
    assert model.shapes().qkv is None


def test_rotary_queries_are_not_given_as_if_they_were_plain():
    model = tapped("eva02_tiny_patch14_224", 224, depth=2)
    assert model.shapes().qkv is None


def test_queries_carry_a_gradient():
    model = tapped("small_vit_patch4_32", 32)
    model(torch.rand(1, 3, 32, 32), QKV).qkv.square().sum().backward()
    assert model.net.blocks[-1].attn.qkv.weight.grad.abs().sum() > 0


def test_all_at_once_is_the_same_as_one_by_one():
    model = tapped("small_vit_patch4_32", 32)
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        together = model(images, frozenset({"features", "attention", "dense", "qkv"}))
        torch.testing.assert_close(together.qkv, model(images, QKV).qkv)
        torch.testing.assert_close(together.attention, model(images, frozenset({"attention"})).attention)
    assert model(images).qkv is None


@pytest.mark.parametrize(
    "name, tokens, dense, qkv, distilled",
    [
        ("test_vit", True, None, (2, 32, 6, 6), False),
        ("deit_tiny_distilled_patch16_224", True, None, (3, 64, 6, 6), True),
        ("test_resnet", False, (3, 3), None, False),
        ("three_stage_cnn_16", False, (12, 12), None, False),
        ("test_convnext", False, None, None, False),
    ],
)
def test_shapes_say_what_a_method_may_ask_for(name, tokens, dense, qkv, distilled):
    shapes = tapped(name, 96).shapes()
    assert (shapes.tokens, shapes.dense, shapes.qkv, shapes.distilled) == (tokens, dense, qkv, distilled)


def test_shapes_of_torchvision_networks():
    vit, cnn = torchvision_vit().shapes(), tapped("torchvision/resnet18", 64).shapes()
    assert (vit.tokens, vit.dense, vit.qkv, vit.distilled) == (True, None, (2, 8, 4, 4), False)
    assert (cnn.tokens, cnn.dense, cnn.qkv, cnn.distilled) == (False, (2, 2), None, False)


@pytest.mark.parametrize(
    "make, needs",
    [
        (lambda: tapped("test_vit", 64), QKV),
        (torchvision_vit, QKV),
        (lambda: tapped("test_resnet", 64), DENSE),
        (lambda: tapped("torchvision/resnet18", 64), DENSE),
    ],
)
@pytest.mark.parametrize("measured", [False, True])
def test_a_twin_reads_itself(make, needs, measured):
    model = make()
    if measured:
        model.shapes()
    twin = copy.deepcopy(model)
    for parameter in twin.parameters():
        parameter.data.mul_(0.5)
    images = torch.rand(1, 3, model.image_size, model.image_size)
    (asked,) = needs
    with torch.no_grad():
        ours, theirs, again = (getattr(each(images, needs), asked) for each in (model, twin, model))
    assert not torch.allclose(ours, theirs)
    torch.testing.assert_close(ours, again)
