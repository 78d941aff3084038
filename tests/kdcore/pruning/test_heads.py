"""Pruned attention: whole heads, by the same scores, with their MACs and what is left of the layer."""

import pytest
import torch
from timm.layers import Attention, LayerNorm
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kdcore import models, pruning
from kdcore.errors import UserError
from kdcore.models import Tapped, pruned, weight_files
from kdcore.pruning import heads, scores
from kdcore.pruning.budget import layers_of
from kdcore.pruning.dependencies import Dependencies
from kdcore.recipe import ModelRecipe

pytest.importorskip("torch_pruning")
SIDE, DIM, HIDDEN, HEADS, SIZE = 64, 64, 192, 2, 32  # of timm's test_vit; each head has queries of 32 numbers
TOKENS = 17  # 4 x 4 patches and the class token
IMAGES = torch.linspace(0, 1, 4 * 3 * SIDE * SIDE).view(4, 3, SIDE, SIDE)
LEFT = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])  # the teacher looks at the left half


def network(name: str = "test_vit", side: int = SIDE, **options: object) -> Tapped:
    torch.manual_seed(0)
    return models.build(ModelRecipe(model=name, options={"depth": 1, **options}), ("a", "b", "c"), side).eval()


def own_vit() -> Tapped:
    """A ViT of this project with four heads of eight numbers, for 16 patches of 32 px."""
    return network("small_vit_patch4_32", 16, dim=32, heads=4, depth=2)


@pytest.mark.parametrize("score", ["energy", "magnitude", "random"])
def test_a_vit_without_heads_is_the_whole_one_whose_proj_reads_nothing_of_them(score):
    """Of three heads with 64 numbers each, in two blocks."""
    whole = network("vit_tiny_patch16_224", 32, depth=2)
    images = torch.rand(3, 3, 32, 32)
    found = pruning.prune(whole, 0.6, score, images=images)
    assert len(found.kept["blocks.0.attn"]) == len(found.kept["blocks.1.attn"]) == 2
    for number, block in enumerate(whole.net.blocks):
        with torch.no_grad():
            (gone,) = {0, 1, 2} - set(found.kept[f"blocks.{number}.attn"])
            block.attn.proj.weight[:, 64 * gone : 64 * gone + 64] = 0
            units = sorted(set(range(block.mlp.fc1.out_features)) - set(found.kept[f"blocks.{number}.mlp.fc1"]))
            block.mlp.fc2.weight[:, units] = 0
    with models.in_eval(found.model):
        torch.testing.assert_close(found.model(images).logits, whole(images).logits, rtol=1e-4, atol=1e-5)


def test_macs_and_parameters_of_heads_by_hand():
    """A head costs, for each token, SIZE DIM products in each of queries, keys, values and proj, and 2 SIZE for each other token.

    Its parameters are 4 SIZE DIM and three biases of SIZE.
    """
    found = pruning.prune(network(), 0.65, "random")
    units = HIDDEN - len(found.kept["blocks.0.mlp.fc1"])
    gone = HEADS - len(found.kept["blocks.0.attn"])
    assert gone == 1
    assert found.units == {"hidden units": (HIDDEN, HIDDEN - units), "heads": (2, 1)}
    of_heads = gone * (4 * SIZE * DIM * TOKENS + 2 * SIZE * TOKENS**2)
    assert found.macs[0] - found.macs[1] == of_heads + 2 * TOKENS * DIM * units
    assert found.parameters[0] - found.parameters[1] == gone * (4 * SIZE * DIM + 3 * SIZE) + (2 * DIM + 1) * units
    with FlopCounterMode(display=False) as counter, models.in_eval(found.model), torch.no_grad():
        found.model.net(IMAGES[:1])
    assert counter.get_total_flops() == 2 * found.macs[1]


def test_heads_that_need_not_go_stay_in_the_first_layers():
    """Of two heads in each of four blocks: without one everywhere 58 % of the MACs are left, where 70 % are allowed."""
    found = pruning.prune(network(side=64, depth=4), 0.7, "random")
    heads = [len(found.kept[f"blocks.{number}.attn"]) for number in range(4)]
    assert heads == sorted(heads, reverse=True)
    assert {1, 2} == set(heads)
    assert 0.64 < found.macs[1] / found.macs[0] <= 0.7


def test_the_products_between_tokens_are_counted_as_the_flop_counter_does():
    whole = network()
    assert layers_of(whole)["blocks.0.attn"].macs == 2 * SIZE * HEADS * TOKENS**2
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        whole.net.blocks[0].attn(torch.rand(1, TOKENS, DIM))
    layers = layers_of(whole)
    counted = sum(layers[f"blocks.0.attn{part}"].macs for part in ("", ".qkv", ".proj"))
    assert counter.get_total_flops() == 2 * counted


def test_what_is_kept_of_the_layer_by_hand():
    """Two heads of two numbers: head 1 has rows 2, 3 of the queries, 6, 7 of the keys, 10, 11 of the values."""
    attention = Attention(4, num_heads=2, qkv_bias=True)
    weight, bias, proj = attention.qkv.weight.detach(), attention.qkv.bias.detach(), attention.proj.weight.detach()
    heads.keep(attention, [1])
    rows = [2, 3, 6, 7, 10, 11]
    assert torch.equal(attention.qkv.weight, weight[rows])
    assert torch.equal(attention.qkv.bias, bias[rows])
    assert torch.equal(attention.proj.weight, proj[:, 2:])
    assert (attention.num_heads, attention.attn_dim, attention.head_dim) == (1, 2, 2)
    assert attention(torch.rand(1, 3, 4)).shape == (1, 3, 4)


def test_the_magnitude_of_a_head_by_hand():
    attention = Attention(2, num_heads=2)
    with torch.no_grad():
        attention.qkv.weight.copy_(torch.arange(12.0).view(6, 2))
        attention.proj.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    rows = [[0, 1, 4, 5, 8, 9], [2, 3, 6, 7, 10, 11]]
    columns = [[1, 3], [2, 4]]
    expected = [sum(n * n for n in rows[head] + columns[head]) / 2 for head in (0, 1)]
    assert heads.magnitudes(attention).tolist() == expected


def test_attention_keeps_the_head_whose_values_are_where_the_teacher_looks():
    """Each token attends to itself alone; head 0 carries the red of a patch, head 1 the green, and proj reads both equally.

    By hand as for hidden units: on four columns the teacher's two cells are 1, 0.75, 0.25 and 0, so (1 + 0.75) / 2 is on the left.
    """
    whole = network()
    block, embedding = whole.net.blocks[0], whole.net.patch_embed.proj
    with torch.no_grad():
        for parameter in whole.net.parameters():
            parameter.zero_()
        for norm in (block.norm1, block.norm2, whole.net.norm):
            norm.weight.fill_(1)
        embedding.weight[0, 0], embedding.weight[1, 1] = 1, 1
        values = block.attn.qkv.weight[2 * DIM :]
        values[0, 0], values[SIZE, 1] = 1, 1
        block.attn.proj.weight.fill_(1)
        whole.net.pos_embed[0, :, 2 : 2 + TOKENS] = 512 * torch.eye(TOKENS)  # as large as the colour of a patch
        for part in (0, 1):
            for head in range(HEADS):
                rows = slice(part * DIM + head * SIZE, part * DIM + head * SIZE + TOKENS)
                block.attn.qkv.weight[rows, 2 : 2 + TOKENS] = torch.eye(TOKENS) * 10
    images = torch.full((2, 3, SIDE, SIDE), 0.5)
    images[:, 0, :, : SIDE // 2] = 1  # red on the left, green on the right
    images[:, 1, :, SIDE // 2 :] = 1
    groups = Dependencies(whole).groups
    _, plain = scores.by_energy(whole, groups, images)
    _, attended = scores.by_energy(whole, groups, images, lambda batch: LEFT.expand(len(batch), 2, 2))
    assert plain.tolist() == pytest.approx([0.5, 0.5], abs=0.02)
    assert attended.tolist() == pytest.approx([7 / 8, 1 / 8], abs=0.02)


def test_a_vit_with_fewer_heads_opens_from_its_file_and_its_maps_are_read(tmp_path):
    found = pruning.prune(own_vit(), 0.4, "magnitude")
    weight_files.save(found.model, file := tmp_path / "small.safetensors")
    opened = models.load(str(file)).eval()
    count = len(found.kept["blocks.0.attn"])
    assert opened.options[pruned.OPTION]["blocks.0.attn"] == [count]
    outputs = opened(torch.rand(2, 3, 16, 16), frozenset({"attention"}))
    assert [tuple(each.shape) for each in outputs.attention] == [(2, count, 4, 4)] * 2


def test_heads_that_something_else_joins_stay():
    assert heads.attentions(Attention(8, num_heads=2)) != {}
    assert heads.attentions(Attention(8, num_heads=1)) == {}
    assert heads.attentions(Attention(8, num_heads=2, scale_norm=True, norm_layer=LayerNorm)) == {}
    assert heads.attentions(Attention(8, num_heads=2, gated=True)) == {}
    assert heads.attentions(type("Own", (Attention,), {})(8, num_heads=2)) == {}


@pytest.mark.parametrize("count", [1, 3])
def test_heads_that_do_not_fit_their_layers_are_refused(count):
    widths = {"blocks.0.attn": [count]}
    with pytest.raises(UserError, match=r"channels that do not fit each other|at most \[2\] were expected"):
        network(pruned=widths)


def test_narrowed_heads_need_no_library():
    attention = nn.ModuleDict({"attn": Attention(4, num_heads=2)})
    pruned.narrow(attention, {"attn": [1], "attn.qkv": [6, 0], "attn.proj": [0, 2]}, "this")
    assert attention["attn"](torch.rand(1, 3, 4)).shape == (1, 3, 4)
