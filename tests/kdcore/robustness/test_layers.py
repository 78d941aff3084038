import numpy as np
import pytest

from kdcore.recipe import DataRecipe
from kdcore.results.similarity import cka
from kdcore.robustness import features, layers, samples


@pytest.fixture
def split(store):
    return samples.load(DataRecipe(name="cues", image_size=32), 40).split


def test_layers_of_a_vit_against_those_of_a_cnn(split, network):
    vit, cnn = network("small_vit_patch4_32", dim=32, depth=2, heads=2), network()
    *_, found = layers.similarity(vit, cnn, split, batch=20)
    assert found.rows == ("block 1 (32x8x8)", "block 2 (32x8x8)", "pooled (32)", "logits (10)")
    assert [each.partition(" ")[0] for each in found.columns] == ["stage", "stage", "stage", "pooled", "logits"]
    assert found.values.shape == (len(found.rows), len(found.columns))
    assert found.images == 40
    assert np.isfinite(found.values).all()
    assert found.values.max() <= 1


def test_a_network_is_alike_to_itself_on_the_diagonal(split, network):
    model = network()
    *_, found = layers.similarity(model, model, split, batch=20)
    np.testing.assert_allclose(np.diag(found.values), 1, atol=1e-5)
    np.testing.assert_allclose(found.values, found.values.T, atol=1e-5)


def test_one_batch_gives_the_debiased_value_of_all_images(split, network):
    one, other = network(seed=1), network(seed=2)
    (found,) = layers.similarity(one, other, split, batch=40)
    images = split.images.float() / 255
    first, second = (features.of_batch(model, images, 40)[0].numpy() for model in (one, other))
    assert found.values[0, 0] == pytest.approx(cka(first, second), abs=1e-4)


def test_large_layers_are_averaged_over_space_and_named(split, network, monkeypatch):
    monkeypatch.setattr(features, "LARGEST_BYTES", 4 * 80 * 16 * 16 * 8)
    model = network()
    known = features.layers(model, 80)
    *_, found = layers.similarity(model, network(seed=2), split, batch=40)
    assert known.pooled
    assert f"{known.pooled[0]} of {model.name}" in found.pooled
    assert features.of_batch(model, split.images.float() / 255, 80)[0].shape == (40, 16)


def test_too_few_images_are_refused(split, network):
    few = samples.load(DataRecipe(name="cues", image_size=32), 3).split
    with pytest.raises(ValueError, match="Similarity of layers needs 4 images or more, not 3"):
        next(layers.similarity(network(), network(seed=2), few))
