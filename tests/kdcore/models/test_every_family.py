"""Networks of the libraries that once failed, as the trainer uses them: shapes, a step, and a file that is read back."""

import pytest
import torch

from kdcore import models
from kdcore.errors import UserError
from kdcore.models import fitting, taps, zoo
from kdcore.recipe import ModelRecipe
from kdcore.store.run_files import checkpoint

TEN = tuple("abcdefghij")
NARROW_PIT = {"depth": [1, 1, 1], "base_dims": [8, 8, 8], "heads": [1, 2, 4]}
NARROW_LEVIT = {"depth": [1, 1, 1], "embed_dim": [16, 16, 16], "num_heads": [1, 1, 1], "key_dim": 8}
SMALL_FORMER = {"depths": [1, 1, 1, 2], "embed_dims": [8, 8, 8, 8]}
NETWORKS = [
    ("pit_ti_224", 64, NARROW_PIT),
    ("pit_ti_distilled_224", 64, NARROW_PIT),
    ("levit_128s", 64, NARROW_LEVIT),
    ("efficientformerv2_s0", 64, {**SMALL_FORMER, "distillation": False}),
    ("efficientformerv2_s0", 64, SMALL_FORMER),
    ("torchvision/mnasnet0_5", 64, {}),
    ("vit_pwee_patch16_reg1_gap_256", 64, {"embed_dim": 32, "depth": 2, "num_heads": 2}),
]


@pytest.mark.parametrize(
    ("name", "side", "options"), NETWORKS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_network_trains_and_is_read_back_with_the_same_outputs(name, side, options, tmp_path):
    torch.manual_seed(0)
    network = models.build(ModelRecipe(model=name, options=options), TEN, side)
    needs = frozenset({"logits", "features"} | ({"attention"} if network.has_attention else set()))
    images = torch.rand(2, 3, side, side)
    outputs = network.train()(images, needs)
    assert outputs.features
    (outputs.logits.square().mean() + sum(maps.square().mean() for maps in outputs.features)).backward()
    models.save(network.eval(), tmp_path / "n.safetensors")
    back = models.load(str(tmp_path / "n.safetensors")).eval()
    with torch.no_grad():
        torch.testing.assert_close(back(images).logits, network(images).logits, rtol=0, atol=0)


def test_a_distillation_head_is_told_by_the_head_itself():
    plain, distilled = (zoo.create(f"pit_ti{kind}_224", 10, 64, NARROW_PIT) for kind in ("", "_distilled"))
    assert (plain.head_dist, taps.distills(plain), len(taps.classifiers(plain))) == (None, False, 1)
    assert (taps.distills(distilled), len(taps.classifiers(distilled))) == (True, 2)


def test_classifiers_of_several_stages_are_found():
    options = {"embed_dim": [16, 16, 16], "depths": [1, 1, 1]}
    network = models.build(ModelRecipe(model="efficientvim_m1_dist", options=options), TEN, 64)
    assert len(taps.classifiers(network.net)) > 2
    assert network.shapes().classes == 10


def test_mnasnet_loads_from_files_that_do_not_tell_its_version(tmp_path):
    network = zoo.create("torchvision/mnasnet0_5", 10, 64)
    torch.save({"state_dict": dict(network.state_dict())}, tmp_path / "m.pth")
    out = tmp_path / "m.safetensors"
    models.import_weights([tmp_path / "m.pth"], "torchvision/mnasnet0_5", TEN, 64, out=out)
    torch.testing.assert_close(dict(models.load(str(out)).net.state_dict()), dict(network.state_dict()))


def test_a_checkpoint_is_read_back_though_it_stores_no_versions_of_modules(tmp_path):
    one, other = (models.build(ModelRecipe(model="torchvision/mnasnet0_5"), TEN, 64) for _ in range(2))
    checkpoint.save({"student": dict(one.state_dict())}, tmp_path / "c.safetensors")
    fitting.load_state(other, checkpoint.load(tmp_path / "c.safetensors")["student"])
    torch.testing.assert_close(dict(other.state_dict()), dict(one.state_dict()), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "side", "words"),
    [
        ("crossvit_tiny_240", 64, "its usual size is 240 px"),
        ("torchvision/inception_v3", 64, "a larger size may work"),
    ],
)
def test_an_image_size_that_a_network_cannot_take_is_refused_in_words(name, side, words):
    with pytest.raises(UserError, match=rf"{name} does not work with images of {side} px: {words} \(data.image_size\)"):
        models.build(ModelRecipe(model=name), TEN, side).shapes()
