import copy

import pytest
import torch
import torchvision.models as tv
from torch import nn

from kdcore import models
from kdcore.models import Tapped
from kdcore.recipe import ModelRecipe

TEN = tuple("abcdefghij")
EVERYTHING = frozenset({"logits", "pooled", "features", "attention"})


def tapped(name: str, image_size: int, classes: tuple[str, ...] = TEN, **options: object) -> Tapped:
    torch.manual_seed(0)
    return models.build(ModelRecipe(model=name, options=options), classes, image_size).eval()


def tiny_torchvision_vit(image_size: int = 32) -> Tapped:
    torch.manual_seed(0)
    net = tv.VisionTransformer(image_size, 8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=10)
    nn.init.normal_(net.heads.head.weight)  # its own initialisation answers 0 to everything
    half = (0.5, 0.5, 0.5)
    return Tapped(net, name="tiny", classes=TEN, image_size=image_size, mean=half, std=half).eval()


VITS = {
    "test_vit": 96,
    "deit_tiny_distilled_patch16_224": 64,
    "vit_small_patch14_reg4_dinov2": 56,
    "small_vit_patch4_32": 32,
    "small_vit_patch8_64": 64,
}
WITHOUT_CLASS_TOKEN = {
    "test_vit2": 96,  # mean of all tokens
    "swin_tiny_patch4_window7_224": 224,
    "test_resnet": 64,
    "test_convnext": 64,
    "test_efficientnet": 64,
    "torchvision/resnet18": 64,
    "torchvision/squeezenet1_1": 64,
    "torchvision/mobilenet_v3_small": 64,
    "three_stage_cnn": 32,
    "resnet20": 32,
}


@pytest.mark.parametrize("name", [*VITS, *WITHOUT_CLASS_TOKEN])
def test_outputs_have_the_shapes_that_are_promised(name):
    side = (VITS | WITHOUT_CLASS_TOKEN)[name]
    model = tapped(name, side)
    images = torch.rand(2, 3, side, side)
    with torch.no_grad():
        said = model(images, EVERYTHING)
        plain = model.net((images - model.mean) / model.std)
    shapes = model.shapes()
    torch.testing.assert_close(said.logits, plain)
    assert said.logits.shape == (2, shapes.classes) == (2, 10)
    assert said.pooled.shape == (2, shapes.pooled)
    assert [tuple(m.shape) for m in said.features] == [(2, *shape) for shape in shapes.features]
    assert [tuple(m.shape) for m in said.attention] == [(2, *shape) for shape in shapes.attention]
    assert said.features
    assert bool(said.attention) is (name in VITS) is model.has_attention


@pytest.mark.parametrize(
    "name, side, prefix_tokens",
    [
        ("test_vit", 96, 1),
        ("deit_tiny_distilled_patch16_224", 64, 2),
        ("vit_small_patch14_reg4_dinov2", 56, 5),
        ("test_vit2", 96, 1),  # a register, no class token
        ("test_resnet", 64, 0),
    ],
)
def test_prefix_tokens_are_counted(name, side, prefix_tokens):
    assert tapped(name, side).prefix_tokens == prefix_tokens


def test_a_grid_need_not_be_square():
    model = tapped("test_vit", 96, dynamic_img_size=True)
    said = model(torch.rand(1, 3, 64, 128), EVERYTHING)
    assert said.attention[0].shape == (1, 2, 4, 8)
    assert said.features[0].shape == (1, 64, 4, 8)


@pytest.mark.parametrize(
    "name, side, options",
    [
        ("test_vit", 96, {}),
        ("test_vit", 96, {"qk_norm": True}),
        ("deit_tiny_distilled_patch16_224", 64, {}),
        ("vit_small_patch14_reg4_dinov2", 56, {}),
        ("small_vit_patch4_32", 32, {}),
    ],
)
def test_attention_is_what_the_unfused_network_computes(name, side, options):
    model = tapped(name, side, **options)
    sharpen(model)
    images = torch.rand(2, 3, side, side)
    with torch.no_grad():
        attention = model(images, EVERYTHING).attention
    assert all(block.attn.fused_attn for block in model.net.blocks)

    real = []
    for block in model.net.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda module, inputs, output: real.append(inputs[0]))
    with torch.no_grad():
        model(images)
    assert len(real) == len(attention)
    for ours, theirs in zip(attention, real, strict=True):
        torch.testing.assert_close(ours.flatten(2), theirs[:, :, 0, model.prefix_tokens :], atol=1e-5, rtol=1e-5)
        to_prefix = theirs[:, :, 0, : model.prefix_tokens].sum(dim=2)
        torch.testing.assert_close(ours.sum(dim=(2, 3)) + to_prefix, torch.ones_like(to_prefix))
        assert ours.std(dim=(2, 3)).min() > 1e-4  # not a flat map


def sharpen(model: Tapped) -> None:
    """Larger query and key weights: freshly made ones attend to everything alike."""
    for name, parameter in model.named_parameters():
        if name.endswith(("qkv.weight", "qkv.bias", "in_proj_weight")):
            parameter.data.normal_(std=0.05)


@pytest.mark.parametrize(
    "name, grid, options",
    [("eva02_tiny_patch14_224", 16, {"depth": 2}), ("vit_tiny_patch16_dinov3_qkvb", 14, {"depth": 2})],
)
def test_rotary_attention_comes_from_the_network_itself(name, grid, options):
    if not models.catalogue(name):
        pytest.skip(f"this timm has no {name}")
    model = tapped(name, 224, **options)
    with torch.no_grad():
        said = model(torch.rand(1, 3, 224, 224), EVERYTHING)
    assert all(block.attn.fused_attn for block in model.net.blocks)
    assert said.attention[0].shape == (1, 3, grid, grid)
    assert 0.9 < said.attention[0][0, 0].sum() < 1


def test_torchvision_attention_is_what_its_own_layer_says():
    model = tiny_torchvision_vit()
    sharpen(model)
    layers = [block.self_attention for block in model.net.encoder.layers]
    seen = []
    hooks = [layer.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0])) for layer in layers]
    with torch.no_grad():
        said = model(torch.rand(2, 3, 32, 32), EVERYTHING)
        for hook in hooks:
            hook.remove()
        for layer, tokens, ours in zip(layers, seen, said.attention, strict=True):
            _, theirs = layer(tokens, tokens, tokens, need_weights=True, average_attn_weights=False)
            torch.testing.assert_close(ours.flatten(2), theirs[:, :, 0, 1:], atol=1e-5, rtol=1e-5)
    assert said.features[1].shape == (2, 16, 4, 4)
    assert model.prefix_tokens == 1


def test_torchvision_swin_gives_channels_first():
    net = tv.SwinTransformer([4, 4], 8, [1, 1], [1, 2], [4, 4], num_classes=10)
    half = (0.5, 0.5, 0.5)
    model = Tapped(net, name="tiny", classes=TEN, image_size=64, mean=half, std=half)
    assert model.shapes().features == ((8, 16, 16), (16, 8, 8))


def test_attention_that_should_be_there_and_is_not_is_an_error():
    model = tapped("test_vit", 96)
    model.net.blocks[1].attn.qkv = nn.Linear(64, 192)  # its tap is gone with the old one
    model.net.blocks[1].attn.qkv.eval()
    with pytest.raises(ValueError, match="did not compute attention scores"):
        model(torch.rand(1, 3, 96, 96), frozenset({"attention"}))


def test_a_class_token_that_cannot_be_read_is_refused_in_words():
    model = tapped("xcit_nano_12_p16_224", 64)
    assert model.shapes().attention == ()
    assert not model.has_attention
    with pytest.raises(ValueError, match="The class token's attention in a Xcit cannot be read.* Use one of these"):
        model(torch.rand(1, 3, 64, 64), frozenset({"attention"}))


def test_only_what_is_needed_is_given():
    model = tapped("test_vit", 96)
    said = model(torch.rand(1, 3, 96, 96))
    assert said.features == () == said.attention
    assert said.pooled.shape == (1, 64)


@pytest.mark.parametrize("name", ["test_resnet", "three_stage_cnn_16", "torchvision/resnet18"])
def test_one_forward_a_call(name):
    model = tapped(name, 64).train()
    model(torch.rand(2, 3, 64, 64), EVERYTHING)
    counts = {int(value) for key, value in model.state_dict().items() if key.endswith("num_batches_tracked")}
    assert counts == {1}


def test_shapes_leaves_mode_and_buffers_alone():
    model = tapped("test_resnet", 64).train()
    model.net.layer1.eval()
    modes = [module.training for module in model.modules()]
    before = copy.deepcopy(model.state_dict())
    model.shapes()
    assert [module.training for module in model.modules()] == modes
    torch.testing.assert_close(dict(model.state_dict()), dict(before))


def test_nothing_is_kept_between_forwards():
    model = tapped("small_vit_patch4_32", 32)
    model(torch.rand(1, 3, 32, 32), EVERYTHING)
    model.net.norm = nn.Linear(1, 1)  # fails after the blocks
    with pytest.raises(RuntimeError):
        model(torch.rand(1, 3, 32, 32), EVERYTHING)
    assert all(tap.inputs is None and tap.output is None and not tap.open for tap in model._reader.taps)


@pytest.mark.parametrize(
    "make", [lambda: tapped("test_vit", 96), lambda: tapped("torchvision/resnet18", 96), tiny_torchvision_vit]
)
def test_a_copy_has_taps_of_its_own(make):
    model = make()
    twin = copy.deepcopy(model)
    side = model.image_size
    for parameter in twin.parameters():
        parameter.data.mul_(0.5)
    images = torch.rand(1, 3, side, side)
    with torch.no_grad():
        ours, theirs, again = model(images, EVERYTHING), twin(images, EVERYTHING), model(images, EVERYTHING)
    assert not torch.equal(ours.features[-1], theirs.features[-1])
    assert not torch.equal(ours.pooled, theirs.pooled)
    torch.testing.assert_close(ours.pooled, again.pooled)


def test_each_model_normalises_for_itself():
    model = tapped("resnet20", 32)
    images = torch.rand(2, 3, 32, 32)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    by_hand = (images - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    torch.testing.assert_close(model(images).logits, model.net(by_hand))
    assert all(key.startswith("net.") for key in model.state_dict())


def test_a_distillation_token_is_heard_in_training():
    model = tapped("deit_tiny_distilled_patch16_224", 32, depth=1)
    images = torch.rand(2, 3, 32, 32)
    nn.init.normal_(model.net.head_dist.weight)
    assert model(images).distilled_logits is None
    model.train()
    said = model(images)
    class_logits = (
        2 * said.logits - said.distilled_logits
    )  # logits are the mean, so plain fine-tuning trains both heads
    model.net.set_distilled_training(True)
    apart = model(images)
    torch.testing.assert_close(apart.logits, class_logits)
    torch.testing.assert_close(apart.distilled_logits, said.distilled_logits)


def test_head_parameters_are_those_of_the_classifier():
    assert [tuple(p.shape) for p in tapped("test_vit", 96).head_parameters()] == [(10, 64), (10,)]
    assert len(tapped("deit_tiny_distilled_patch16_224", 32, depth=1).head_parameters()) == 4
    assert [tuple(p.shape) for p in tapped("torchvision/resnet18", 64).head_parameters()] == [(10, 512), (10,)]


@pytest.mark.parametrize("name", ["test_vit", "torchvision/resnet18", "small_vit_patch8_64"])
def test_gradients_reach_the_images_through_every_output(name):
    model = tapped(name, 64)
    images = torch.rand(1, 3, 64, 64, requires_grad=True)
    said = model(images, EVERYTHING)
    sum(t.square().sum() for t in (said.logits, *said.features, *said.attention)).backward()
    assert images.grad.abs().sum() > 0
