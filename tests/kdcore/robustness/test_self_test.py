"""The instruments measure networks whose measures are known beforehand as such."""

import dataclasses

import numpy as np
import torch

from kdcore.recipe import DataRecipe
from kdcore.robustness import samples, self_test


def test_the_instruments_pass(store):
    found = list(self_test.self_test(50))
    assert [each.title for each in found if not each.passed] == []
    assert len(found) == 6


def test_a_vit_without_positions_depends_on_the_image_but_not_on_where_its_patches_are(store):
    outputs = {}
    for positions in (False, True):
        model = self_test.vit(positions=positions)
        images = samples.load(DataRecipe(name="cues", image_size=32), 10).split.images.float() / 255
        flipped = images.unflatten(3, (8, 4)).flip(3).flatten(3)  # the columns of patches in the opposite order
        outputs[positions] = model(images).logits, model(flipped).logits
    plain, moved = outputs[False]
    torch.testing.assert_close(plain, moved, atol=1e-4, rtol=1e-4)
    assert plain.std(dim=0).min() > 0.1
    plain, moved = outputs[True]
    assert (plain - moved).abs().max() > 0.1


def test_a_vit_with_positions_does_not_pass_for_one_without(store, monkeypatch):
    vit = self_test.vit
    monkeypatch.setattr(self_test, "vit", lambda positions: vit(positions=True))
    assert not next(self_test.self_test(20)).passed


def test_an_instrument_that_is_off_is_noticed(store, monkeypatch):
    def always_shape(seen):
        return np.tile([1.0, 0.0], (seen.outcome.count, 1))

    broken = dataclasses.replace(self_test.shape_bias, columns=always_shape)
    monkeypatch.setattr(self_test, "shape_bias", broken)
    failed = next(each for each in self_test.self_test(30) if not each.passed)
    assert "mean colour" in failed.title
