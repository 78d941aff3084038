import numpy as np
import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import making
from kdcore.explain import explain
from kdcore.recipe import DataRecipe
from kdcore.robustness import Condition, maps, samples

SCRAMBLED = Condition("patch_scramble", 4)


@pytest.fixture
def sample(store):
    return samples.load(DataRecipe(name="cues", image_size=32), 10)


def test_a_scramble_is_undone_by_where_its_pixels_came_from(sample):
    perturbation = perturbations.get("patch_scramble")
    clean = making.clean(sample.split, torch.arange(10))
    sources = maps.moved(perturbation, clean, 4)
    scrambled = perturbation.perturb(clean, 4).images
    grey = scrambled.mean(dim=1).numpy()
    back = maps.moved_back(grey / grey.sum(axis=(1, 2), keepdims=True), sources, (32, 32))
    wanted = clean.images.mean(dim=1).numpy()
    np.testing.assert_allclose(back, wanted / wanted.sum(axis=(1, 2), keepdims=True), atol=1e-6)


def test_cells_of_a_coarser_map_move_with_their_tiles(sample):
    perturbation = perturbations.get("patch_scramble")
    clean = making.clean(sample.split, torch.arange(10))
    sources = maps.moved(perturbation, clean, 4)
    pooled = torch.nn.functional.avg_pool2d(perturbation.perturb(clean, 4).images.mean(dim=1), 8).numpy()
    back = maps.moved_back(pooled / pooled.sum(axis=(1, 2), keepdims=True), sources, (32, 32))
    wanted = torch.nn.functional.avg_pool2d(clean.images.mean(dim=1), 8).numpy()
    np.testing.assert_allclose(back, wanted / wanted.sum(axis=(1, 2), keepdims=True), atol=1e-6)


def test_sets_that_change_pixels_move_nothing(sample):
    clean = making.clean(sample.split, torch.arange(10))
    for name in ("low_pass", "global_noise"):
        found = perturbations.get(name)
        assert maps.moved(found, clean, found.usual) is None


def test_maps_that_do_not_change_are_alike_and_the_control_is_not(sample, network):
    model = network()
    clean = explain(model, sample.split.images.float() / 255, "activation_energy").heatmaps
    found = maps.compared("it", SCRAMBLED, "activation_energy", clean, clean.copy(), aligned=False)
    assert found.cosine[0] == pytest.approx(1)
    assert found.js[0] == pytest.approx(0, abs=1e-9)
    assert found.control["cosine"][0] < 1
    assert found.control["js"][0] > 0
    assert found.images == 10


def test_each_network_under_each_condition_with_its_own_map(sample, network):
    models = {"cnn": network(), "vit": network("small_vit_patch4_32", dim=32, depth=2, heads=2)}
    *_, found = maps.sensitivities(models, sample, [Condition("clean"), SCRAMBLED, Condition("low_pass", 8)])
    assert [(each.network, str(each.condition), each.aligned) for each in found] == [
        ("cnn", "patch_scramble@4", True), ("vit", "patch_scramble@4", True), ("cnn", "low_pass@8", False), ("vit", "low_pass@8", False),
    ]  # fmt: skip
    assert {each.map_name for each in found} == {"activation_energy", "cls_attention"}
    for each in found:
        assert each.cosine[1] <= each.cosine[0] <= each.cosine[2]
