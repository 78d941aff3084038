"""Networks with fewer channels: rebuilt from the widths of their layers alone."""

import pytest
import torch
from torch import nn

from kdcore import models
from kdcore.errors import UserError
from kdcore.models import pruned, weight_files, zoo
from kdcore.recipe import ModelRecipe, weight_header

CLASSES = ("a", "b", "c")
FIRST = {"stages.0.0": [5, 0], "stages.0.1": [5], "stages.0.3": [0, 5]}


def test_narrowed_layers_compute_with_their_first_channels():
    """By hand: what a convolution without its last outputs, and the next one without these inputs, computes."""
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Conv2d(6, 2, 1)).eval()
    images = torch.rand(2, 3, 5, 5)
    middle = net[1](net[0](images))[:, :4]
    expected = torch.einsum("nchw,oc->nohw", middle, net[2].weight[:, :4, 0, 0]) + net[2].bias[:, None, None]
    pruned.narrow(net, {"0": [4, 0], "1": [4], "2": [0, 4]}, "this")
    torch.testing.assert_close(net(images), expected)


def test_a_depthwise_convolution_has_as_many_groups_as_channels():
    net = nn.Sequential(nn.Conv2d(6, 6, 3, groups=6))
    pruned.narrow(net, {"0": [4, 4]}, "this")
    assert (net[0].groups, tuple(net[0].weight.shape)) == (4, (4, 1, 3, 3))
    assert net(torch.rand(1, 4, 5, 5)).shape == (1, 4, 3, 3)


def test_widths_lead_back_to_the_same_shapes_whatever_the_number_of_classes():
    small = zoo.create("three_stage_cnn_16", 3, 32, {"pruned": FIRST})
    assert pruned.widths(small, zoo.create("three_stage_cnn_16", 3, 32)) == FIRST
    other = zoo.create("three_stage_cnn_16", 7, 32, {"pruned": FIRST})
    assert other(torch.rand(1, 3, 32, 32)).shape == (1, 7)


def test_a_file_of_pruned_weights_opens_by_its_header(tmp_path):
    spec = ModelRecipe(model="three_stage_cnn_16", options={"pruned": FIRST})
    model = models.build(spec, CLASSES, 32)
    weight_files.save(model, file := tmp_path / "small.safetensors")
    again = models.load(str(file))
    assert again.options["pruned"] == FIRST
    images = torch.rand(2, 3, 32, 32)
    with models.in_eval(model), models.in_eval(again):
        torch.testing.assert_close(again(images).logits, model(images).logits)
    assert models.flops(again) < models.flops(models.build(ModelRecipe(model="three_stage_cnn_16"), CLASSES, 32))


@pytest.mark.parametrize(
    ("widths", "words"),
    [
        (
            {"stages.9.0": [5, 0]},
            "three_stage_cnn_16 has no convolution, linear layer, BatchNorm or attention 'stages.9.0'",
        ),
        ({"stages.0.0": [17, 0]}, r"the channels \[17, 0\]; at most \[16, 3\] were expected"),
        ({"stages.0.0": [5]}, r"the channels \[5\]; at most \[16, 3\] were expected"),
        ({"stages.0.0": [-1, 0]}, "the option pruned must be names of up to 4,000 layers"),
        ({"stages.0.0": 5}, "the option pruned must be names of up to 4,000 layers"),
        ({"../0": [5, 0]}, "the option pruned must be names of up to 4,000 layers"),
        (True, "the option pruned must be names of up to 4,000 layers"),
    ],
)
def test_widths_that_do_not_fit_are_refused(widths, words):
    with pytest.raises(UserError, match=words):
        zoo.create("three_stage_cnn_16", 3, 32, {"pruned": widths})


def test_convolutions_in_groups_are_not_narrowed():
    with pytest.raises(UserError, match="'0' of this is a convolution in 2 groups, which is not narrowed"):
        pruned.narrow(nn.Sequential(nn.Conv2d(6, 6, 3, groups=2)), {"0": [4, 4]}, "this")


def test_pretrained_weights_are_not_narrowed():
    with pytest.raises(UserError, match="have all its channels: leave the option pruned out"):
        models.build(
            ModelRecipe(model="resnet18", weights="pretrained", options={"pruned": {"fc": [0, 9]}}), CLASSES, 64
        )


@pytest.mark.parametrize(
    "widths",
    [
        {"stages.0.0": [5, 0]},  # the BatchNorm and the next convolution have more
        {"stages.0.0": [5, 0], "stages.0.1": [5]},
        {"stages.0.1": [5]},
        {"stages.0.0": [0, 1]},  # images have three channels
        {**FIRST, "stages.0.3": [0, 4]},
    ],
)
def test_widths_that_do_not_fit_each_other_are_refused_before_any_image(widths):
    with pytest.raises(
        UserError, match="channels that do not fit each other .*: use the widths of `python -m kdcore prune`"
    ):
        zoo.create("three_stage_cnn_16", 3, 32, {"pruned": widths})


def test_a_check_of_widths_needs_no_weights_and_changes_nothing():
    with torch.device("meta"):
        net = zoo.create("three_stage_cnn_16", 3, 32, {"pruned": FIRST})
    assert net.training
    net = zoo.create("three_stage_cnn_16", 3, 32)
    before, chance = {name: tensor.clone() for name, tensor in net.state_dict().items()}, torch.random.get_rng_state()
    pruned.check_fits(net, 32, "this")
    torch.testing.assert_close(dict(net.state_dict()), before)
    assert torch.equal(torch.random.get_rng_state(), chance)


ORIGIN = {
    "of": "run:x/student",
    "score": "l1",
    "macs": [10, 5],
    "parameters": [8, 4],
    "top1": [0.5, 0.4],
    "images": 100,
}


@pytest.mark.parametrize(
    "entry",
    [
        {"macs": [0, 0]},
        {"parameters": [-1, 2]},
        {"top1": [5e9, 0.4]},
        {"images": -5},
        {"images": True},
        {"images": 10**400},
        {"of": 1},
        {"units": {"heads": [4]}},
        {"units": {"limbs": [4, 2]}},
    ],
)
def test_an_impossible_origin_in_a_header_is_refused(tmp_path, entry):
    net = models.build(ModelRecipe(model="three_stage_cnn_16"), CLASSES, 32)
    weight_files.save(net, tmp_path / "w.safetensors", card={"pruning": {**ORIGIN, **entry}})
    with pytest.raises(
        UserError, match="`pruning` should be a mapping with of, score, macs and parameters .from 1., top1"
    ):
        weight_header.description(tmp_path / "w.safetensors")
    weight_files.save(net, tmp_path / "w.safetensors", card={"pruning": ORIGIN})
    assert weight_header.description(tmp_path / "w.safetensors")["pruning"] == ORIGIN
