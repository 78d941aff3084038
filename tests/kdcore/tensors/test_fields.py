import pytest
import torch

from kdcore.tensors.fields import OutputPart, extract, parts_of, restore
from kdcore.tensors.outputs import Outputs


@pytest.fixture
def said() -> Outputs:
    torch.manual_seed(0)
    features = (torch.randn(2, 4, 8, 8), torch.randn(2, 6, 4, 4))
    return Outputs(torch.randn(2, 5), torch.randn(2, 6), features, (torch.rand(2, 3, 4, 4),))


def test_layers_are_counted_from_either_end_and_all_where_none_is_named(said):
    assert list(parts_of(said, {OutputPart("features", -1)})) == ["features.1"]
    assert list(parts_of(said, {OutputPart("features")})) == ["features.0", "features.1"]


def test_what_a_network_does_not_have_is_not_kept(said):
    assert parts_of(said, {OutputPart("dense"), OutputPart("qkv"), OutputPart("attention", 0)}).keys() == {
        "attention.0"
    }


def test_whole_tensors_come_back_as_they_were(said):
    kept = parts_of(said, {OutputPart("logits"), OutputPart("features", 1)})
    again = restore(extract(said, kept), said)
    assert again.logits is said.logits
    assert again.features[1] is said.features[1]


def test_one_channel_has_the_energy_of_all(said):
    (kept,) = extract(said, parts_of(said, {OutputPart("features", 0, power=2.0)})).values()
    assert kept.shape == (2, 1, 8, 8)
    torch.testing.assert_close(kept.square().mean(1), said.features[0].square().mean(1))


def test_one_head_has_the_mean_of_all(said):
    (kept,) = extract(said, parts_of(said, {OutputPart("attention", 0, power=1.0)})).values()
    torch.testing.assert_close(kept[:, 0], said.attention[0].mean(1))


def test_a_pooled_map_has_the_means_of_its_squares_of_places(said):
    (kept,) = extract(said, parts_of(said, {OutputPart("features", 1, grid=(2, 2))})).values()
    by_hand = said.features[1].view(2, 6, 2, 2, 2, 2).mean((3, 5))
    torch.testing.assert_close(kept, by_hand)


def test_a_map_that_is_reduced_in_two_ways_is_kept_whole(said):
    kept = parts_of(said, {OutputPart("features", 0, power=2.0), OutputPart("features", 0, power=4.0)})
    assert kept == {"features.0": OutputPart("features", 0)}


def test_what_was_not_kept_cannot_be_read(said):
    again = restore(extract(said, parts_of(said, {OutputPart("features", 0)})), said)
    assert len(again.features) == 2
    for absent in (again.logits, again.pooled, again.features[1], again.attention[0]):
        with pytest.raises((RuntimeError, NotImplementedError)):
            (absent.sum() + said.pooled.sum()).item()
