"""What is measured of every map, and what a measured map may claim."""

import math

import numpy as np
import pytest
import torch

from kdcore.data.split import Split
from kdcore.explain.quality.localization import OnTheObject
from kdcore.explain.quality.trust import CONTROLS, Randomised, Trust, trust

from ..conftest import build

SURE = (0.9, 0.8, 1.0)
MARGINS = {"object": (SURE,), "faithful": ((0.2, 0.1, 0.3), (0.1, 0.05, 0.15)), "learnt": ((0.4, 0.2, 0.6),)}


def split_with_masks(model, count=4, **extras) -> Split:
    side = model.image_size
    masks = torch.zeros(count, side, side, dtype=torch.bool)
    masks[:, : side // 2, : side // 2] = True
    images = torch.randint(
        0, 256, (count, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(2)
    )
    return Split("test", model.classes, images, torch.arange(count) % len(model.classes), {"masks": masks} | extras)


def measured(**changed) -> Trust:
    whole = {
        "map": "grad_cam",
        "on_object": OnTheObject(SURE, (0.5, 0.4, 0.6), 0.3, 0.3, 0.2, 0.35, 10, 0),
        "deletion": (0.2, 0.1, 0.3), "insertion": SURE, "count": 5, "margins": MARGINS,
        "cascade": (Randomised("head", SURE, SURE, 5), Randomised("stem", (0.1, -0.1, 0.3), (0.0, -0.1, 0.1), 5)),
        "forwards": 1.1,
    }  # fmt: skip
    return Trust(**{**whole, **changed})


@pytest.mark.parametrize("kind", ["our_vit", "our_cnn"])
def test_every_map_that_can_be_right_is_measured_beside_two_controls(kind):
    network = build(kind)
    found = {each.map: each for each in trust(network, split_with_masks(network), few=2)}
    assert set(CONTROLS) < set(found)
    assert "patch_attention" not in found  # they ask about a patch, not about the picture
    assert "self_similarity" not in found
    assert ("relevance" in found) == (kind == "our_vit")
    for each in found.values():
        assert each.on_object.count + each.on_object.without == 4
        assert each.on_object.by_chance == pytest.approx(0.25)
        assert math.isfinite(each.deletion[0])
    assert found["grad_cam"].forwards > 0
    assert found["random"].cascade == ()
    assert found["random"].margins["faithful"][0] == (0, 0, 0)  # what the others are compared with
    assert found["centre"].margins["faithful"][1] == (0, 0, 0)
    assert found["grad_cam"].margins["learnt"][0][0] == pytest.approx(0.5 - found["grad_cam"].cascade[-1].spearman[0])
    assert not found["centre"].passes["faithful"]


def test_the_cascade_ends_with_the_first_layer_and_costly_maps_see_only_its_end():
    network = build("our_cnn")
    found = {
        each.map: each for each in trust(network, split_with_masks(network), ["activation_energy", "occlusion"], few=3)
    }
    whole, end = found["activation_energy"].cascade, found["occlusion"].cascade
    assert [step.layer for step in whole] == ["head", "stages.2", "stages.1", "stages.0"]
    assert [step.layer for step in end] == ["stages.0"]
    # the head has no say in where the last stage is active
    assert whole[0].spearman[0] == pytest.approx(1)
    assert whole[0].ssim[0] == pytest.approx(1)
    assert whole[-1].spearman[0] < 0.9


def test_the_model_is_left_as_it_was():
    network = build("our_cnn").train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    trust(network, split_with_masks(network), ["grad_cam"], few=2)
    assert network.training
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_a_map_passes_where_its_intervals_are_above_0():
    assert measured().passes == {"object": True, "faithful": True, "learnt": True}
    open_, nothing = (0.2, -0.01, 0.3), (math.nan,) * 3
    for test, margins in (
        ("object", (open_,)),
        ("faithful", (open_, SURE)),
        ("faithful", (SURE, open_)),
        ("learnt", (open_,)),
        ("learnt", (nothing,)),
    ):
        passed = measured(margins=MARGINS | {test: margins}).passes
        assert passed == {"object": True, "faithful": True, "learnt": True} | {test: False}
    assert not any(measured(map="random", cascade=(), margins=MARGINS | {"learnt": ()}).passes.values())


def test_a_split_without_masks_is_refused():
    network = build("our_cnn")
    blind = Split(
        "test", network.classes, torch.zeros(2, 3, 32, 32, dtype=torch.uint8), torch.zeros(2, dtype=torch.long)
    )
    with pytest.raises(
        ValueError,
        match="The test split has no masks of its objects, so maps cannot be tested on it. Datasets with masks: cues",
    ):
        trust(network, blind)


def test_figures_do_not_change_from_one_time_to_the_next():
    network = build("our_cnn")
    one, other = (trust(network, split_with_masks(network), ["eigen_cam"], few=3) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert (a.on_object, a.deletion, a.margins, a.cascade) == (
            b.on_object,
            b.deletion,
            b.margins,
            b.cascade,
        )
        assert np.isfinite(a.margins["faithful"]).all()
