"""Pruned transformers: the hidden units of their MLPs, scored at the patches where the teacher looks; `test_heads` has the heads."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kdcore import models, pruning
from kdcore.errors import UserError
from kdcore.models import Tapped, weight_files
from kdcore.pruning import scores
from kdcore.pruning.dependencies import Dependencies
from kdcore.recipe import ModelRecipe

pytest.importorskip("torch_pruning")
SIDE, PATCH, DIM, HIDDEN, BLOCKS = 64, 16, 64, 192, 2  # of timm's test_vit with two of its blocks
HEADS = 2
TOKENS = 1 + (SIDE // PATCH) ** 2
IMAGES = torch.linspace(0, 1, 4 * 3 * SIDE * SIDE).view(4, 3, SIDE, SIDE)
LEFT = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])  # the teacher looks at the left half


def network(name: str = "test_vit", side: int = SIDE, depth: int = BLOCKS) -> Tapped:
    torch.manual_seed(0)
    return models.build(ModelRecipe(model=name, options={"depth": depth}), ("a", "b", "c"), side).eval()


@pytest.mark.parametrize("score", ["energy", "magnitude", "random"])
def test_a_pruned_vit_is_the_whole_one_without_what_the_other_units_add(score):
    whole = network()
    found = pruning.prune(whole, 0.85, score, images=IMAGES)
    assert found.kept.keys() == {f"blocks.{block}.{part}" for block in range(BLOCKS) for part in ("mlp.fc1", "attn")}
    for layer, kept in found.kept.items():
        if layer.endswith("attn"):
            assert kept == tuple(range(HEADS))  # half of them would be more than the MACs need
            continue
        gone = [unit for unit in range(HIDDEN) if unit not in kept]
        with torch.no_grad():
            whole.net.get_submodule(layer.replace("fc1", "fc2")).weight[:, gone] = 0
    with models.in_eval(found.model):
        torch.testing.assert_close(found.model(IMAGES).logits, whole(IMAGES).logits, rtol=1e-4, atol=1e-5)


def test_the_macs_and_parameters_of_a_pruned_vit_by_hand():
    """A hidden unit costs DIM products in fc1 and DIM in fc2, for each token, and 2 DIM + 1 parameters."""
    found = pruning.prune(network(), 0.85, "random")
    gone = sum(HIDDEN - len(kept) for layer, kept in found.kept.items() if layer.endswith("fc1"))
    assert gone > 0
    assert found.macs[0] - found.macs[1] == 2 * TOKENS * DIM * gone
    assert found.parameters[0] - found.parameters[1] == (2 * DIM + 1) * gone
    with FlopCounterMode(display=False) as counter, models.in_eval(found.model), torch.no_grad():
        found.model.net(IMAGES[:1])
    assert counter.get_total_flops() == 2 * found.macs[1]
    assert 0.84 < found.share <= 0.85


def test_a_pruned_vit_opens_from_its_file_and_is_pruned_again(tmp_path):
    once = pruning.prune(network(), 0.8, "magnitude").model
    weight_files.save(once, file := tmp_path / "once.safetensors")
    opened = models.load(str(file)).eval()
    with models.in_eval(once):
        torch.testing.assert_close(opened(IMAGES).logits, once(IMAGES).logits)
    assert models.flops(pruning.prune(opened, 0.9, "magnitude").model) <= 0.9 * models.flops(once)


def test_what_a_unit_carries_where_the_teacher_looks_by_hand():
    """A class token and four patches; unit 0 is active on the left, unit 1 on the right, both at the class token.

    With a = 2 on the left and 0 on the right: 3^2 + 2 (2^2 + 2^2) = 25, and 1^2 + 0 = 1; without a teacher 9 + 8 and 1 + 8.
    """
    tokens = torch.tensor([[[3.0, 1.0], [2.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.0, 2.0]]])  # [1, 5, 2]
    parts = scores.channels_first(tokens, 1, {(2, 2)})
    assert [tuple(part.shape) for part in parts] == [(1, 2, 1), (1, 2, 2, 2)]
    assert sum(scores.energy_where(part, LEFT) for part in parts).tolist() == [25, 1]
    assert sum(scores.energy_where(part, None) for part in parts).tolist() == [17, 9]


def test_maps_with_channels_last_have_places_and_tokens_of_no_grid_have_none():
    channels_last = torch.tensor([[[[2.0], [0.0]], [[2.0], [0.0]]]])  # [1, 2, 2, 1]
    (part,) = scores.channels_first(channels_last, 0, set())
    assert scores.energy_where(part, LEFT).tolist() == [16]
    (part,) = scores.channels_first(torch.ones(1, 7, 3), 1, {(2, 2)})
    assert scores.energy_where(part, LEFT).tolist() == [7, 7, 7]


def test_maps_of_which_an_image_has_several_have_no_places():
    """MobileViT's tokens of one image lie in several rows of the batch: they count with a = 1, 4 rows of 2 x 2 ones."""
    assert scores.energy_where(torch.ones(4, 3, 2, 2), LEFT.expand(2, 2, 2)).tolist() == [16, 16, 16]


def test_attention_keeps_the_unit_that_is_active_where_the_teacher_looks():
    """Units 0 and 1 of the first MLP see the red and the green of a patch with equal energy; the others see nothing.

    By hand: on four columns the teacher's two cells are 1, 0.75, 0.25 and 0: (1 + 0.75) / 2 of what is left of the middle. LayerNorm
    takes a little of each dimension from the others, which is below 1 %.
    """
    whole = network(depth=1)
    block, embedding = whole.net.blocks[0], whole.net.patch_embed.proj
    with torch.no_grad():
        for parameter in whole.net.parameters():
            parameter.zero_()
        for norm in (block.norm1, block.norm2, whole.net.norm):
            norm.weight.fill_(1)
        embedding.weight[0, 0], embedding.weight[1, 1] = 1, 1
        block.mlp.fc1.weight[0, 0], block.mlp.fc1.weight[1, 1] = 1, 1
        block.mlp.fc2.weight.fill_(1)
    images = torch.full((2, 3, SIDE, SIDE), 0.5)
    images[:, 0, :, : SIDE // 2] = 1  # red on the left, green on the right
    images[:, 1, :, SIDE // 2 :] = 1
    groups = Dependencies(whole).groups
    plain, _ = scores.by_energy(whole, groups, images)
    attended, _ = scores.by_energy(whole, groups, images, lambda batch: LEFT.expand(len(batch), 2, 2))
    assert plain[:2].tolist() == pytest.approx([0.5, 0.5], abs=0.01)
    assert attended[:2].tolist() == pytest.approx([7 / 8, 1 / 8], abs=0.01)


def test_a_vit_with_a_distillation_token():
    found = pruning.prune(network("deit_tiny_distilled_patch16_224", 32, depth=1), 0.8, "random")
    assert "blocks.0.mlp.fc1" in found.kept
    assert found.share <= 0.8


def test_a_gated_mlp_is_refused_in_words():
    """SwiGLU: the hidden units of fc1 are two halves that are multiplied."""
    with pytest.raises(
        UserError, match=r"has no channels that can be removed.* hidden units between two linear layers"
    ):
        pruning.prune(network("eva02_tiny_patch14_224", 28, depth=1), 0.8, "random")


def test_queries_keys_and_values_are_no_hidden_units():
    class Attention(nn.Module):
        """One head over two tokens that separate layers write: every operation but the layers is elementwise."""

        def __init__(self) -> None:
            super().__init__()
            self.query, self.key, self.value = (nn.Linear(12, 4) for _ in range(3))
            self.out, self.head = nn.Linear(4, 6), nn.Linear(6, 3)

        def forward(self, images):
            inputs = images.flatten(1)
            return self.head(self.out(self.query(inputs) * self.key(inputs) * self.value(inputs)).relu())

        def get_classifier(self):
            return self.head

    model = SimpleNamespace(net=Attention(), image_size=2, mean=torch.zeros(1), name="attention")
    assert [group.name for group in Dependencies(model).groups] == ["out"]
