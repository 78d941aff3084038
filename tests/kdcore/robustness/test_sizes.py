"""Networks of several image sizes get the same images: made at one size, resized for each."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from kdcore import models
from kdcore.data.datasets.cues import Cues
from kdcore.inspection import robustness
from kdcore.recipe import DataRecipe, ModelRecipe
from kdcore.results.bias import Outcome
from kdcore.robustness import samples
from kdcore.robustness.networks import described

SCRAMBLED = "patch_scramble@4"


@pytest.fixture
def small(tmp_path) -> str:
    """A CNN that takes images of 16 px."""
    torch.manual_seed(5)
    model = models.build(ModelRecipe(model="three_stage_cnn_16"), Cues.classes, 16).eval()
    models.save(model, tmp_path / "small.safetensors")
    return str(tmp_path / "small.safetensors")


def test_each_network_gets_the_same_perturbed_images_at_its_own_size(store, files, small):
    references = [files["cnn"], small]
    *_, last = robustness.assess(references, ["clean", SCRAMBLED], store, images=20, threads=1)
    images = samples.load(DataRecipe(name="cues", image_size=32), 20).split.images.float() / 255
    resized = F.interpolate(images, (16, 16), mode="bilinear", antialias=True)
    with torch.no_grad():
        logs = models.load(small).eval()(resized).logits.log_softmax(dim=1)
    found: Outcome = last.result.outcomes[small]["clean"]
    np.testing.assert_allclose(found.log_probabilities, logs, atol=2e-3)
    assert last.result.outcomes[small][SCRAMBLED].count == 20


def test_it_is_said_which_images_are_resized(store, files, small):
    *_, last = robustness.assess([files["cnn"], small], ["clean"], store, images=10, threads=1)
    assert (
        last.result.sizes({small: "the student"})
        == "Test sets are made at 32 px and resized for networks of another size: the student (16 px)."
    )
    *_, last = robustness.assess([files["cnn"], files["vit"]], ["clean"], store, images=10, threads=1)
    assert last.result.sizes({}) == ""


def test_outcomes_on_resized_images_are_kept_beside_those_on_images_of_the_networks_own_size(store, files, small):
    *_, alone = robustness.assess([small], ["clean", SCRAMBLED], store, images=20, threads=1)
    *_, beside = robustness.assess([small, files["cnn"]], ["clean"], store, images=20, threads=1)
    again, both = robustness.kept([small], store), robustness.kept([small, files["cnn"]], store)
    assert again.conditions == ("clean", SCRAMBLED)
    assert both.conditions == ("clean",)
    for kept, computed in ((again, alone), (both, beside)):
        one, other = (each.outcomes[small]["clean"].log_probabilities for each in (kept, computed.result))
        np.testing.assert_array_equal(one, other)
    one, other = (each.result.outcomes[small]["clean"].log_probabilities for each in (alone, beside))
    assert not np.array_equal(one, other)


def test_layers_heatmaps_and_images_of_two_sizes_are_shown(store, files, small):
    pair = [files["vit"], small]
    *_, alike = robustness.similarity(*pair, store, images=20)
    assert np.isfinite(alike.values).all()
    *_, maps = robustness.sensitivity(pair, [SCRAMBLED], store, images=4)
    assert [each.reference for each in maps] == pair
    gallery = robustness.gallery(pair, SCRAMBLED, store, images=20, per_page=2)
    assert set(gallery.images[0].heatmaps) == set(pair)
    assert gallery.images[0].perturbed.shape == (32, 32, 3)
    assert set(robustness.live(pair, SCRAMBLED, store, images=10).accuracy) == set(pair)


@pytest.mark.parametrize(
    ("data", "sizes", "side"),
    [("cues", (32, 16), 32), ("cifar10", (224, 32), 32), ("cifar10", (32, 16), 32), ("cifar10", (224, 192), 192)],
)
def test_sets_are_made_at_the_largest_size_but_no_larger_than_the_dataset_has(store, files, data, sizes, side):
    one = described(files["cnn"], store)
    networks = [
        dataclasses.replace(one, image_size=each, data=DataRecipe(name=data, image_size=each)) for each in sizes
    ]
    assert samples.common_data(networks) == samples.common_data(networks[::-1])
    assert samples.common_data(networks).image_size == side
