"""The examples of docs/plugins.md are found, pass what every part owes, and train."""

import hashlib

import numpy as np
import pytest
import torch

from kdcore import explain, methods, models, plugins
from kdcore import recipe as recipes
from kdcore.checks import names, preflight
from kdcore.data import datasets, loading, perturbations
from kdcore.data.perturbations import Clean
from kdcore.errors import UserError
from kdcore.explain import maps
from kdcore.inspection import method_cards
from kdcore.recipe import DataRecipe, ModelRecipe, Term
from kdcore.runner import Runner
from kdcore.store import Store
from tests.kdcore.methods import test_every_method as owed
from tests.kdcore.plugins.conftest import EXAMPLES

pytestmark = pytest.mark.usefixtures("documented")
PARTS = {
    "method": "margin", "network": "two_stages", "heatmap": "strongest_channel", "dataset": "bands", "test set": "inverted",
}  # fmt: skip


def test_there_is_one_example_of_each_kind_and_each_is_short():
    assert {f"{name}.py" for name in PARTS.values()} == EXAMPLES.keys()
    assert {each.kind: each.name for each in plugins.every()} == PARTS
    assert max(text.count("\n") for text in EXAMPLES.values()) <= 26


def test_each_is_found_by_the_name_of_its_file():
    assert "margin" in methods.names()
    assert "two_stages" in models.names()
    assert models.catalogue("two stages") == ("two_stages",)
    assert "strongest_channel" in maps.names()
    assert "bands" in datasets.names("drawn")
    assert "inverted" in perturbations.names()
    assert {"margin", "two_stages"} <= {*names.methods(), *names.networks()}


@pytest.mark.parametrize("pairing", owed.PAIRINGS)
def test_the_method_does_what_every_method_owes(pairing):
    owed.test_gives_a_finite_scalar_whose_gradient_reaches_the_student_or_refuses_with_a_reason("margin", pairing)
    owed.test_a_loss_of_logits_is_a_mean_over_the_images("margin")
    owed.test_a_loss_of_logits_ignores_what_is_added_to_all_classes_alike("margin")


def test_the_method_has_its_options_checked_and_its_page():
    methods.check(Term(method="margin", options={"scale": 0.5}))
    with pytest.raises(UserError, match="The option 'scale' of the term 'margin' should be .* not -1"):
        methods.check(Term(method="margin", options={"scale": -1}))
    entry = method_cards.entry("margin")
    assert entry.plugin == "margin.py"
    assert entry.options[0].about == "factor on the loss, beside the term's weight."
    assert method_cards.entry("kd").plugin == ""


def test_the_network_has_features_logits_and_a_heatmap_of_the_example():
    network = models.build(ModelRecipe(model="two_stages", options={"width": 8}), ("a", "b", "c"), 32).eval()
    outputs = network(torch.rand(2, 3, 32, 32), frozenset({"features"}))
    assert [tuple(each.shape) for each in outputs.features] == [(2, 8, 16, 16), (2, 16, 8, 8)]
    assert (outputs.logits.shape, outputs.pooled.shape) == ((2, 3), (2, 16))
    with pytest.raises(UserError, match="two_stages does not take the option 'widths'. Did you mean 'width'"):
        models.build(ModelRecipe(model="two_stages", options={"widths": 8}), ("a", "b"), 32)
    found = explain.heatmap(network, torch.rand(2, 3, 32, 32), "strongest_channel")
    assert found.shape == (2, 8, 8)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), 1, rtol=1e-5)


def test_the_dataset_has_bands_in_the_direction_of_their_class():
    split = loading.load(DataRecipe(name="bands", image_size=16), "test")
    images, targets = split.images.float(), split.targets
    across = images.mean(dim=(1, 3)).std(dim=1), images.mean(dim=(1, 2)).std(dim=1)  # over rows, over columns
    assert ((across[0] > across[1]) == (targets == 0)).all()


def test_bundled_networks_stay_with_this_projects_data_where_a_plugin_has_the_same_classes(write):
    classes = datasets.get("cifar10").classes
    text = EXAMPLES["bands.py"].replace('("horizontal", "vertical")', repr(classes))
    plugins.use(write("alike.py", text))
    assert "alike" in datasets.names("drawn")
    assert datasets.with_classes(classes).name == "cifar10"
    assert datasets.with_classes(("horizontal", "vertical")).name == "bands"


def test_the_test_set_inverts():
    images = torch.rand(2, 3, 4, 4)
    found = perturbations.get("inverted").perturb(Clean(images, torch.arange(2)), 1.0)
    torch.testing.assert_close(found.images, 1 - images)


def test_all_of_them_train_together_and_the_run_records_them(tmp_path, documented):
    recipe = recipes.from_plain({
        "name": "own", "data": {"name": "bands", "image_size": 32, "train_images": 200, "test_images": 40, "validation": 0.25},
        "teacher": {"model": "three_stage_cnn_16", "accept": True}, "student": {"model": "two_stages"}, "epochs": 1,
        "terms": [{"method": "ce"}, {"method": "margin", "options": {"scale": 0.5}}], "robustness": {"sets": ["inverted"], "images": 50},
        "lr": {"warmup_epochs": 0},
    })  # fmt: skip
    preflight.check(recipe)
    store = Store(tmp_path / "runs")
    runner = Runner(store, device="cpu", threads=1)
    try:
        (run_id,) = runner.start(recipe)
        assert runner.wait(run_id, 120)
    finally:
        runner.close()
    state = store.state(run_id)
    assert (state.status, state.reason) == ("finished", "")
    assert store.series(run_id)["loss/student/margin"][1][-1] >= 0
    recorded = store.environment(run_id)[-1]["plugin"]
    assert set(recorded) == {"method margin", "network two_stages", "dataset bands", "test set inverted"}
    digest = hashlib.sha256((documented / "margin.py").read_bytes()).hexdigest()
    assert recorded["method margin"] == {"file": str(documented / "margin.py"), "sha256": digest}
