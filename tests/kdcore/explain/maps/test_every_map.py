"""What holds for every map, on each kind of network."""

import copy
import hashlib

import numpy as np
import pytest
import torch

from kdcore import explain, models
from kdcore.errors import NotFinite
from kdcore.explain import EmptyMap, NotDefined, map_cards
from kdcore.recipe import ModelRecipe

from ..conftest import CLASSES, SPECS, VITS, build, images_for

CARDS = map_cards()

PAIRS = [(kind, map_name) for kind in SPECS for map_name, card in CARDS.items() if card.any_network or kind in VITS]


@pytest.mark.parametrize("kind, map_name", PAIRS)
def test_a_distribution_over_the_models_own_grid(model, kind, map_name):
    network = model(kind)
    found = explain.explain(network, images_for(network, 4), map_name)
    # covering a patch of noise may make every class of a random network more probable; nothing else may come out empty
    assert len(found.problems) < (4 if map_name == "occlusion" else 1)
    maps = np.delete(found.heatmaps, list(found.problems), axis=0)
    assert found.heatmaps.shape == (4, *network.shapes().features[-1][1:])
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1, rtol=1e-5)


def state_of(network) -> dict[str, object]:
    """Everything that computing a map could disturb."""
    return {
        "modes": [module.training for module in network.modules()],
        "tensors": {
            name: hashlib.sha256(tensor.detach().numpy().tobytes()).hexdigest()
            for name, tensor in (*network.named_parameters(), *network.named_buffers())
        },
        "identities": [id(tensor) for tensor in (*network.parameters(), *network.buffers())],
        "requires_grad": [parameter.requires_grad for parameter in network.parameters()],
        "gradients": [None if p.grad is None else p.grad.clone().numpy().tobytes() for p in network.parameters()],
        "hooks": [
            (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in network.modules()
        ],
        "fused": [getattr(module, "fused_attn", None) for module in network.modules()],
        "random": torch.get_rng_state().numpy().tobytes(),
        "grad_mode": torch.is_grad_enabled(),
    }


@pytest.mark.parametrize("kind", ["vit", "rotary", "resnet", "our_cnn"])
@pytest.mark.parametrize("map_name", CARDS)
@pytest.mark.parametrize("grad", [True, False])
def test_the_model_is_left_exactly_as_it_was(kind, map_name, grad):
    """In the midst of training: a mixed mode, a frozen part, gradients waiting for their step."""
    network = build(kind).train()
    network.shapes()
    images = images_for(network)
    network(images).logits.sum().backward()
    parts = list(network.net.children())
    parts[0].eval().requires_grad_(False)
    before = None
    with torch.set_grad_enabled(grad):
        before = state_of(network)
        try:
            explain.explain(network, images, map_name)
        except NotDefined:
            assert not CARDS[map_name].any_network
        assert state_of(network) == before
    assert not images.requires_grad


def test_left_as_it_was_after_an_error():
    network = build("resnet").train()
    images = torch.rand(2, 5, 96, 96)  # two channels too many
    before = state_of(network)
    with pytest.raises(RuntimeError):
        explain.heatmap(network, images, "grad_cam")
    assert state_of(network) == before


def test_buffers_that_the_forward_writes_are_put_back():
    class Counting(torch.nn.Identity):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x):
            self.count += 1
            return x

    network = build("our_cnn")
    network.net.stages.insert(0, Counting())
    explain.heatmap(network, images_for(network), "input_gradient")
    assert network.net.stages[0].count.item() == 0


def test_same_map_in_train_mode_as_in_eval_mode(model):
    """Dropout and batch statistics have no say."""
    network = model("resnet")
    images = images_for(network)
    expected = explain.heatmap(network, images, "grad_cam")
    training = copy.deepcopy(network).train()
    np.testing.assert_array_equal(explain.heatmap(training, images, "grad_cam"), expected)


@pytest.mark.parametrize("map_name", CARDS)
def test_an_images_map_does_not_depend_on_its_batch(model, map_name):
    network = model("vit")
    images = images_for(network, 3)
    together = explain.heatmap(network, images, map_name)
    for place in range(3):
        alone = explain.heatmap(network, images[place : place + 1], map_name)
        np.testing.assert_allclose(alone[0], together[place], rtol=2e-4, atol=1e-7)


@pytest.mark.parametrize("map_name", ["cls_attention", "rollout"])
@pytest.mark.parametrize("kind", ["swin", "resnet"])
def test_refused_without_a_class_token(model, kind, map_name):
    network = model(kind)
    message = (
        "not defined for this model, because it has no class token. Its maps: grad_cam, grad_cam_plus_plus, hires_cam"
    )
    with pytest.raises(NotDefined, match=message):
        explain.heatmap(network, images_for(network), map_name)
    assert map_name not in explain.maps_for(network)


def test_default_map_is_the_models_own(model):
    assert [explain.default_map(model(kind)) for kind in VITS] == ["cls_attention"] * len(VITS)
    assert {explain.default_map(model(kind)) for kind in SPECS if kind not in VITS} == {"activation_energy"}


def test_unknown_names_and_numbers_are_refused_with_what_there_is(model):
    network = model("vit")
    images = images_for(network)
    for options, message in (
        (
            {"map_name": "gradcam"},
            "Unknown map 'gradcam'. Did you mean 'grad_cam'\\? Known maps: grad_cam, grad_cam_plus_plus",
        ),
        ({"map_name": "cls_attention", "layer": 3}, "There is no layer 3: this model has layers 0 to 2"),
        ({"map_name": "cls_attention", "head": -1}, "There is no head -1: this model has heads 0 to 1"),
        ({"map_name": "rollout", "layer": 0}, "Attention rollout takes no layer"),
        ({"map_name": "activation_energy", "head": 0}, "Activation energy takes no head"),
        (
            {"map_name": "grad_cam", "query": (0, 0)},
            "Grad-CAM is not about one patch, so it takes no `query`; Patch attention and Self-similarity do",
        ),
        (
            {"map_name": "rollout", "against": torch.tensor([0, 1])},
            "Attention rollout does not depend on a class, so it takes no `against`",
        ),
        ({"map_name": "grad_cam", "against": torch.tensor([0, 9])}, "one number an image, from 0 to 4"),
        ({"map_name": "grad_cam", "target": torch.tensor([0, 5])}, "one number an image, from 0 to 4"),
        ({"map_name": "grad_cam", "target": torch.tensor([1])}, "one number an image, from 0 to 4"),
    ):
        with pytest.raises(ValueError, match=message):
            explain.heatmap(network, images, **options)


def test_the_predicted_class_is_explained_unless_another_is_given(model):
    network = model("resnet")
    images = images_for(network)
    for map_name in ("grad_cam", "input_gradient"):
        found = explain.explain(network, images, map_name)
        assert (found.targets == found.probabilities.argmax(axis=1)).all()
        same = explain.heatmap(network, images, map_name, target=torch.from_numpy(found.targets))
        other = explain.explain(network, images, map_name, target=torch.from_numpy((found.targets + 1) % len(CLASSES)))
        np.testing.assert_array_equal(same, found.heatmaps)
        assert np.abs(np.nan_to_num(other.heatmaps) - found.heatmaps).max() > 1e-3


@pytest.mark.parametrize("map_name", CARDS)
def test_probabilities_are_those_of_a_plain_forward(model, map_name):
    network = model("vit")
    images = images_for(network)
    with torch.no_grad():
        expected = network(images).logits.softmax(dim=1)
    np.testing.assert_allclose(explain.explain(network, images, map_name).probabilities, expected, rtol=1e-4, atol=1e-6)


def test_an_empty_map_is_an_error_with_the_reason():
    network = build("our_cnn")
    images = images_for(network, 3)
    with torch.no_grad():
        network.net.head.weight.zero_()
    with pytest.raises(
        EmptyMap, match="Grad-CAM of image 1 of 3: it is zero everywhere: nothing here raises the score of this class"
    ):
        explain.heatmap(network, images, "grad_cam")
    with pytest.raises(EmptyMap, match="zero everywhere"):
        explain.heatmap(network, images, "input_gradient")
    found = explain.explain(network, images, "grad_cam")
    assert list(found.problems) == [0, 1, 2]
    assert np.isnan(found.heatmaps).all()
    images[1] = torch.nan
    with pytest.raises(NotFinite, match="outputs are infinite or not a number for 1 of 3 images"):
        explain.explain(network, images, "activation_energy")


def test_a_map_without_any_contrast_is_an_error():
    network = build("vit")
    with torch.no_grad():
        for block in network.net.blocks:
            block.attn.qkv.weight.zero_()  # equal scores: uniform attention
            block.attn.qkv.bias.zero_()
    for map_name in ("cls_attention", "rollout"):
        with pytest.raises(EmptyMap, match="it is the same everywhere, so it points nowhere"):
            explain.heatmap(network, images_for(network), map_name)


def test_cards_are_true(model):
    network = model("vit")
    images = images_for(network)
    for map_name, card in CARDS.items():
        assert card.summary.endswith(".")
        assert "\n" not in card.summary
        layers, heads = explain.layers_and_heads(network, map_name)
        assert (layers, heads) == (3 if card.takes_layer else 0, 2 if card.takes_head else 0)
        last = {"layer": 2} if card.takes_layer else {}
        np.testing.assert_array_equal(
            explain.heatmap(network, images, map_name, **last), explain.heatmap(network, images, map_name)
        )
        targets = explain.explain(network, images, map_name).targets
        other = explain.heatmap(network, images, map_name, target=torch.from_numpy((targets + 1) % len(CLASSES)))
        assert np.array_equal(other, explain.heatmap(network, images, map_name)) != card.explains_class


@pytest.mark.parametrize("kind", ["vit", "our_cnn"])
@pytest.mark.parametrize("map_name", [name for name, card in CARDS.items() if card.explains_class])
def test_each_image_of_a_batch_has_the_map_that_it_has_alone(model, kind, map_name):
    network = model(kind)
    if not CARDS[map_name].any_network and kind not in VITS:
        return
    images, targets, others = images_for(network, 3), torch.tensor([0, 1, 2]), torch.tensor([3, 4, 1])
    together = explain.explain(network, images, map_name, target=targets, against=others)
    for place in range(3):
        own = slice(place, place + 1)
        alone = explain.explain(network, images[own], map_name, target=targets[own], against=others[own])
        assert (place in together.problems) == (0 in alone.problems)
        if not alone.problems:
            np.testing.assert_allclose(together.heatmaps[place], alone.heatmaps[0], atol=1e-4)


@pytest.mark.parametrize(
    "name, size, reason",
    [
        (
            "pit_ti_distilled_224",
            224,
            "because the attention of its class token cannot be read: PoolingVisionTransformer does not compute it as ViT",
        ),
        ("coat_tiny", 64, "because the attention of its class token cannot be read: CoaT does not compute it as ViT"),
        ("vit_pwee_patch16_reg1_gap_256", 64, "because it has no class token"),
        ("resnet10t", 64, "because it has no class token"),
    ],
)
def test_the_reason_of_a_refusal_is_true(name, size, reason):
    """A class token is a parameter; registers are none, and other transformers have one that cannot be read."""
    network = models.build(ModelRecipe(model=name), CLASSES, size).eval()
    with pytest.raises(NotDefined, match=f"Attention rollout is not defined for this model, {reason}"):
        explain.heatmap(network, images_for(network), "rollout")


def test_what_cards_name_exists_and_fits():
    assert [name for name, card in CARDS.items() if card.first_choice] == ["hires_cam"]
    for card in CARDS.values():
        assert card.any_network != bool(card.counterpart), "a map that some networks lack has a counterpart"
        assert not card.counterpart or CARDS[card.counterpart].any_network
    assert any(card.own and card.any_network for card in CARDS.values()), "every network has a map of its own"
