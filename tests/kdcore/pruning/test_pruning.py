"""Pruned networks: their channels, their cost, and what they compute."""

import sys

import pytest
import torch
from torch import nn

from kdcore import models, pruning
from kdcore.errors import UserError
from kdcore.models import Tapped, weight_files
from kdcore.models.own import OWN, Own
from kdcore.pruning.budget import Budget
from kdcore.pruning.dependencies import Dependencies
from kdcore.recipe import ModelRecipe

pytest.importorskip("torch_pruning")
CLASSES = ("a", "b", "c")
IMAGES = torch.linspace(0, 1, 4 * 3 * 32 * 32).view(4, 3, 32, 32)


def network(name: str = "three_stage_cnn_16", side: int = 32, **options: object) -> Tapped:
    torch.manual_seed(0)
    return models.build(ModelRecipe(model=name, options=options), CLASSES, side).eval()


class Left(torch.nn.Module):
    """A teacher's place: looks at the left half of every image."""

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[1.0, 0.0]]).expand(len(images), 1, 2)


@pytest.mark.parametrize("score", ["energy", "magnitude", "random"])
def test_a_pruned_network_is_the_whole_one_with_the_other_channels_at_zero(score):
    """Worked out in the whole network: BatchNorm outputs of the removed channels are set to 0, by their weight and bias."""
    whole = network()
    with torch.no_grad():
        for module in whole.net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.uniform_(-0.1, 0.1)
                module.bias.uniform_(-0.1, 0.3)
    found = pruning.prune(whole, 0.5, score, images=IMAGES)
    for conv, kept in found.kept.items():
        stage, place = conv.split(".")[1:]
        norm = whole.net.stages[int(stage)][int(place) + 1]
        gone = [channel for channel in range(norm.num_features) if channel not in kept]
        with torch.no_grad():
            norm.weight[gone], norm.bias[gone] = 0, 0
    with models.in_eval(found.model):
        torch.testing.assert_close(found.model(IMAGES).logits, whole(IMAGES).logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("five_conv", 32),
        ("resnet8x4", 32),
        ("resnet20", 32),
        ("test_resnet", 32),
        ("test_efficientnet", 32),
    ],
)
def test_the_share_of_macs_is_met_and_counted_as_the_flop_counter_does(name, side):
    whole = network(name, side)
    found = pruning.prune(whole, 0.6, "random", seed=1)
    assert 0.45 < found.share <= 0.6
    groups = Dependencies(whole).groups
    counts = [len(found.kept[group.name]) for group in groups]
    assert Budget(whole, groups).macs(counts) == pytest.approx(found.macs[1], abs=1)
    assert found.parameters[1] < found.parameters[0] == models.parameters(whole)


def test_all_scores_keep_as_many_channels_of_each_layer():
    whole = network()
    shapes = [
        {name: len(kept) for name, kept in pruning.prune(whole, 0.4, score, images=IMAGES).kept.items()}
        for score in ("energy", "magnitude", "random")
    ]
    assert shapes[0] == shapes[1] == shapes[2]


def test_random_channels_follow_from_the_seed():
    whole = network()
    one, same, other = (pruning.prune(whole, 0.5, "random", seed=seed).kept for seed in (1, 1, 2))
    assert one == same != other


def test_a_pruned_network_is_pruned_again_and_opens_from_its_file(tmp_path):
    once = pruning.prune(network(), 0.6, "magnitude").model
    twice = pruning.prune(once, 0.5, "magnitude").model
    assert models.flops(twice) <= 0.5 * models.flops(once)
    weight_files.save(twice, file := tmp_path / "twice.safetensors")
    with models.in_eval(twice):
        torch.testing.assert_close(models.load(str(file)).eval()(IMAGES).logits, twice(IMAGES).logits)


def test_attention_keeps_the_channel_that_fires_where_the_teacher_looks():
    """A CNN whose first two channels fire on the left and the right of an image, with equal energy and equally read.

    By hand: on 32 columns the teacher's two cells are 1 for 8 columns, fall to 0 over 16, and stay 0: of what is left of the
    middle, a mean of (8 + 8 * 0.75) / 16 of 1, that is 7/8 of all.
    """
    from kdcore.pruning.scores import by_energy

    whole = network(widths=[2, 2, 2], strides=[1, 1, 1], convolutions=1)
    first, norm = whole.net.stages[0][0], whole.net.stages[0][1]
    with torch.no_grad():
        first.weight.zero_()
        first.weight[0, 0, 1, 1], first.weight[1, 1, 1, 1] = 1, 1  # red and green
        norm.weight.fill_(1), norm.bias.zero_()
        whole.net.stages[1][0].weight.fill_(1)
    images = torch.full((2, 3, 32, 32), 0.5)  # 0 after the normalisation
    images[:, 0, :, :16] = 1  # red on the left, green on the right
    images[:, 1, :, 16:] = 1
    groups = Dependencies(whole).groups
    place = next(place for place, group in enumerate(groups) if group.name == "stages.0.0")
    plain = by_energy(whole, groups, images)[place]
    attended = by_energy(whole, groups, images, Left())[place]
    assert plain.tolist() == pytest.approx([0.5, 0.5])
    assert attended.tolist() == pytest.approx([7 / 8, 1 / 8])


def test_a_teachers_heatmaps_are_its_own_and_the_student_stays_as_it_was():
    whole, teacher = network().train(), network("small_vit_patch4_32", dim=32, depth=2, heads=2)
    before = {name: tensor.clone() for name, tensor in whole.state_dict().items()}
    found = pruning.prune(whole, 0.5, "attention", images=(255 * IMAGES).byte(), teacher=teacher)
    assert whole.training
    assert all(torch.equal(before[name], tensor) for name, tensor in whole.state_dict().items())
    assert found.kept.keys() == pruning.prune(whole, 0.5, "energy", images=IMAGES).kept.keys()
    assert "three_stage_cnn_16 pruned by attention" in found.in_words()


@pytest.mark.parametrize(
    ("name", "to", "score", "words"),
    [
        (
            "test_vit",
            0.1,
            "random",
            "test_vit cannot be pruned to 10 % of its MACs.* such as the embedding of a transformer",
        ),
        (  # it has gains beside its weights
            "test_nfnet",
            0.5,
            "random",
            "test_nfnet cannot be pruned to 50 % of its MACs.* has 99.9 %.* Prune a CNN with BatchNorm, or a ViT",
        ),
        ("three_stage_cnn_16", 0.0001, "random", "with a single channel or head in each group .* Give a share from"),
        ("three_stage_cnn_16", 1, "random", "should be above 0 and below 1, not 1"),
        ("three_stage_cnn_16", 0.5, "energy", "is measured on images, and none were given"),
    ],
)
def test_what_cannot_be_pruned_is_refused_in_words(name, to, score, words):
    with pytest.raises(UserError, match=words):
        pruning.prune(network(name), to, score)


def test_attention_without_a_teacher_is_refused():
    with pytest.raises(UserError, match="there is no teacher: choose energy, magnitude or random"):
        pruning.prune(network(), 0.5, "attention", images=IMAGES)


def test_without_the_library_the_message_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(UserError, match="pip install torch-pruning"):
        pruning.prune(network(), 0.5, "random")


def test_a_network_whose_outputs_would_differ_is_refused(monkeypatch):
    """Layers joined in a way that the graph does not see: here it is told that another channel is left."""
    from kdcore.pruning import pruning as module

    monkeypatch.setattr(module, "without", lambda *arguments: torch.full((4, 3), 9.0))
    with pytest.raises(UserError, match="its outputs are not those of the whole network with these channels at 0"):
        pruning.prune(network(), 0.5, "random")


class Parted(nn.Module):
    """The outputs of a convolution in three parts of four channels, by their sizes, or by their number, which takes any size."""

    def __init__(self, classes: int, image_size: int, *, width: int = 4) -> None:
        super().__init__()
        self.width = width
        self.stem, self.norm = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)
        self.parts, self.last, self.fc = nn.Conv2d(8, 12, 1), nn.Conv2d(4, 8, 1), nn.Linear(8, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        joined = self.parts(self.norm(self.stem(images)))
        query, key, value = joined.split([self.width] * 3, dim=1) if self.width == 4 else joined.split(4, dim=1)
        return self.fc(self.last(query.sigmoid() * key + value).mean(dim=(2, 3)))


def parted(width: int) -> Tapped:
    net = Parted(3, 32, width=width)
    return Tapped(
        net, name="parted", classes=CLASSES, image_size=32, mean=(0.5,) * 3, std=(0.25,) * 3, options={"width": width}
    )


def test_channels_that_the_code_splits_into_parts_of_given_sizes_stay():
    assert [group.name for group in Dependencies(parted(4)).groups] == ["last", "stem"]


def test_a_network_that_cannot_be_computed_with_fewer_channels_is_refused_in_words(monkeypatch):
    """A split into parts of one size looks like one into three parts."""
    monkeypatch.setitem(OWN, "parted", Own(Parted, 32))
    with pytest.raises(
        UserError, match="parted cannot be pruned: its code has the numbers of some channels in it, so with"
    ):
        pruning.prune(parted(5), 0.5, "random")


def test_layers_that_blocks_share_keep_their_values():
    found = pruning.prune(network("coat_lite_tiny", 64), 0.8, "magnitude")
    assert not any(tensor.is_meta for tensor in found.model.state_dict().values())
    assert bool(found.model(torch.rand(2, 3, 64, 64)).logits.isfinite().all())
