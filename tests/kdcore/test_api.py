"""What `import kdcore as kd` offers."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import kdcore as kd
from kdcore.errors import RecipeError, UserError
from kdcore.events import RunFinished
from kdcore.explain import heatmap
from tests import program

SMALL = {
    "name": "small",
    "data": {
        "name": "cues",
        "image_size": 64,
        "train_images": 40,
        "test_images": 60,
        "validation": 0.2,
        "batch_size": 16,
    },
    "teacher": {"weights": "cues-teacher"},
    "student": {"model": "three_stage_cnn_16"},
    "twin": True,
    "terms": [{"method": "ce", "weight": 0.5}, {"method": "kd", "weight": 0.5}],
    "epochs": 1,
    "lr": {"warmup_epochs": 0},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds of a recipe, and one of another."""
    folder = tmp_path_factory.mktemp("api")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KD_RUNS", str(folder / "runs"))
        patch.setenv("KD_DATA", str(folder / "data"))
        recipe = kd.load_recipe(SMALL)
        yield (
            [kd.distill(recipe, seed=seed, device="cpu", show=False) for seed in range(2)],
            kd.distill(recipe, device="cpu", show=False, epochs=2),
        )


def test_importing_the_package_loads_no_torch():
    code = "import sys, kdcore as kd; assert 'distill' in dir(kd); print('torch' in sys.modules, kd.__version__)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "0.1.0"]


def test_an_unknown_name_lists_those_that_there_are():
    with pytest.raises(
        AttributeError, match="has no attribute 'distil'. For Python there are: Comparison, Recipe, Run"
    ):
        kd.distil


def test_a_recipe_by_name_with_other_settings_leaves_the_others_as_they_are():
    quick = kd.load_recipe("quick")
    changed = kd.load_recipe("quick", epochs=3, data={"labels": 200})
    assert (changed.epochs, changed.data.labels) == (3, 200)
    assert changed.data.train_images == quick.data.train_images
    assert changed.terms == quick.terms


def test_an_unknown_setting_is_refused_by_name():
    with pytest.raises(RecipeError, match="epoch"):
        kd.load_recipe("quick", epoch=3)


def test_a_run_gives_results_curves_and_networks(runs):
    (run, *_), _ = runs
    assert run.state.status == "finished"
    assert run.recipe.seeds == (0,)
    assert 0 <= run.results["student"]["top1"] <= 1
    steps, losses = run.curves["loss/student/total"]
    assert len(steps) == len(losses) > 0
    logits = run.network("twin")(torch.rand(2, 3, 64, 64))
    assert logits.logits.shape == (2, 10) if hasattr(logits, "logits") else logits.shape == (2, 10)
    assert kd.run(run.id) == run
    assert run.id in str(run)


def test_an_unknown_run_is_refused(runs):
    with pytest.raises(UserError, match="no-such-run"):
        kd.run("no-such-run")


def test_several_seeds_are_compared_together(runs):
    seeds, _ = runs
    found = kd.compare(seeds)
    assert found.summary.seeds == 2
    assert "no conclusion" in str(found)  # of two seeds nothing is claimed


def test_students_of_two_recipes_are_compared_by_seed(runs):
    (first, *_), other = runs
    found = kd.compare(first, against=other)
    expected = first.results["student"]["top1"] - other.results["student"]["top1"]
    assert found.difference is not None
    assert found.difference.mean == pytest.approx(expected)


@pytest.mark.parametrize("choose, message", [
    (lambda seeds, other: kd.compare([]), "There are no runs to compare"),
    (lambda seeds, other: kd.compare(seeds[0].id), "Runs are compared, not '.*': get an earlier run by its id, kd.run"),
    (lambda seeds, other: kd.compare(seeds, against=[3]), "Runs are compared, not 3: "),
    (lambda seeds, other: kd.compare([seeds[1], other]), "differ in more than their seed"),
    (lambda seeds, other: kd.compare([seeds[0], other]), "Several runs have the seed 0. Give one run for each seed, or compare"),
    (lambda seeds, other: kd.compare([*seeds, seeds[1]]), "Several runs have the seed 1"),
    (lambda seeds, other: kd.compare(seeds[1], against=other), "share no seed"),
])  # fmt: skip
def test_what_cannot_be_compared_is_refused(runs, choose, message):
    with pytest.raises(UserError, match=message):
        choose(*runs)


def test_the_loop_with_parts_of_ones_own(runs):
    *_, last = kd.train(kd.build(SMALL, seed=0, device="cpu"))
    assert isinstance(last, RunFinished)
    assert last.results["student"] == runs[0][0].results["student"]


def test_a_file_an_array_and_a_tensor_give_the_same_heatmap(tmp_path):
    network = kd.load("cues-student")
    side = network.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    image = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    maps = [kd.explain(network, each).heatmaps for each in (tmp_path / "photo.png", pixels, image)]
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_allclose(maps[0], maps[2], atol=1e-6)
    by_name = kd.explain("cues-student", image, "activation_energy")
    np.testing.assert_array_equal(by_name.heatmaps, heatmap(network, image[None], "activation_energy"))


@pytest.mark.parametrize("image, message", [
    (torch.rand(3, 20, 20), r"floats \[B, 3, 64, 64\] in \[0, 1\], not float32 \[1, 3, 20, 20\]"),
    (torch.zeros(3, 64, 64, dtype=torch.uint8), "not uint8"),
    (torch.full((3, 64, 64), 2.0), r"not in \[2, 2\]: each network normalises for itself"),
    ("no/photo.jpg", "There is no file 'no/photo.jpg"),
    (torch.rand(0, 3, 64, 64), r"There are no images in a batch of the shape \[0, 3, 64, 64\]"),
    ([1], r"An image is a file, a uint8 array \[H, W, 3\] or a tensor, not \[1\]"),
])  # fmt: skip
def test_an_image_of_another_form_is_refused(image, message):
    with pytest.raises(UserError, match=message):
        kd.explain("cues-student", image)


@pytest.mark.parametrize("options, message", [
    ({"target": 9}, r"`target` of a map should be class numbers \[B\], int64, not 9"),
    ({"layer": "x"}, "`layer` of a map should be a whole number from 0, not 'x'"),
    ({"colour": 1}, "Maps have no option 'colour'; known: target, against, layer, head, query"),
])  # fmt: skip
def test_an_option_that_maps_do_not_take_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        kd.explain("cues-student", torch.rand(3, 64, 64), **options)


def test_weights_without_files_or_with_odd_classes_are_refused(tmp_path):
    with pytest.raises(UserError, match="There are no files of weights to import"):
        kd.import_weights([], tmp_path / "x.safetensors")
    with pytest.raises(UserError, match="`classes` should be names, a folder or a dataset's name, not 5"):
        kd.import_weights(tmp_path / "a.pth", tmp_path / "x.safetensors", classes=5)


def test_the_engine_loads_without_the_python_interface_and_its_heatmaps_can_still_be_called():
    code = "import sys, kdcore.training.loop\nprint('kdcore.api' in sys.modules)\nimport kdcore as kd\nprint(callable(kd.explain), kd.explain.heatmap.__name__)"
    assert program.ran(code) == [(0, "False\nTrue heatmap\n")]
