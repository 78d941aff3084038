"""The job that is done three ways: equal settings, equal initial weights, and what its table says. No times are checked."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch.utils.data import DataLoader

from benchmarks.same_job import __main__ as same_job
from benchmarks.same_job import images, networks, plain_script, report
from benchmarks.same_job.report import PROJECT, SCRIPT, TORCHDISTILL, Run
from kdcore import recipe as recipes
from kdcore.recipe import DataRecipe
from kdcore.setup.build import build_parts

HERE = Path(same_job.__file__).parent
FEW = DataRecipe(name="cues", image_size=32, train_images=40, test_images=20, validation=0)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("same-job")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KD_DATA", str(folder / "data"))
        images.write(folder / "images", FEW)
        yield folder / "images"


def test_all_three_have_the_same_settings():
    recipe = recipes.load(HERE / "recipe.yaml")
    text = re.sub(r"!import_\w+", "", (HERE / "torchdistill.yaml").read_text())
    other = yaml.safe_load(text)["train"]
    loader, optimizer = other["train_data_loader"]["kwargs"], other["optimizer"]["kwargs"]
    kd = other["criterion"]["kwargs"]["sub_terms"]["kd"]["criterion"]["kwargs"]
    ce_term, kd_term = recipe.terms
    ours = (recipe.epochs, recipe.data.batch_size, recipe.optimizer.lr, kd_term.temperature, kd_term.weight)
    assert ours == (
        plain_script.EPOCHS,
        plain_script.BATCH,
        plain_script.LR,
        plain_script.TEMPERATURE,
        plain_script.WEIGHT,
    )
    assert ours == (other["num_epochs"], loader["batch_size"], optimizer["lr"], kd["temperature"], kd["alpha"])
    assert ce_term.weight == pytest.approx(1 - kd_term.weight)
    assert other["scheduler"]["kwargs"]["T_max"] == recipe.epochs * images.TRAIN // recipe.data.batch_size
    assert images.TRAIN % recipe.data.batch_size == 0  # so that nobody drops a last batch
    assert recipe.optimizer.weight_decay == optimizer["weight_decay"] == 0
    assert recipe.precision == "exact"
    assert (recipe.teacher.reference.name, recipe.student.model) == (networks.TEACHER, networks.STUDENT.model)


def test_a_seeds_students_begin_with_the_weights_of_the_run(photos):
    recipe = recipes.load(HERE / "recipe.yaml")
    data = recipe.data.model_copy(update={"path": str(photos)})
    building = build_parts(
        recipe.model_copy(update={"data": data, "teacher": None, "terms": recipe.terms[:1]}),
        seed=3,
        device=torch.device("cpu"),
    )
    while True:
        try:
            next(building)
        except StopIteration as ended:
            parts = ended.value
            break
    own = networks.student(3, parts.train.classes).network.state_dict()
    for name, value in parts.student.distiller.student.state_dict().items():
        torch.testing.assert_close(value, own[name], rtol=0, atol=0)


def test_the_script_writes_its_predictions(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(plain_script, "DataLoader", partial(loader, DataLoader))
    monkeypatch.setattr(plain_script, "BATCH", 20)
    monkeypatch.setattr(plain_script, "EPOCHS", 1)
    monkeypatch.setattr(networks, "teacher", lambda: networks.student(7, tuple("abcdefghij")).eval())
    plain_script.main(str(photos), 0, str(tmp_path / "predictions.npy"))
    assert np.load(tmp_path / "predictions.npy").shape == (20,)


def loader(kind, *arguments, **settings):
    """Without other processes."""
    return kind(*arguments, **{name: value for name, value in settings.items() if name == "shuffle"})


def test_the_table_has_lines_ratios_and_differences_with_intervals():
    random = np.random.default_rng(0)
    runs = [
        Run(variant, seed, seconds, 1.0, random.random(2_000) < share)
        for seed in range(5)
        for variant, seconds, share in ((SCRIPT, 30.0, 0.4), (TORCHDISTILL, 40.0, 0.5), (PROJECT, 20.0, 0.5))
    ]
    _, *rows = (line for line in report.text(runs, "a machine").splitlines() if line.startswith("|"))
    cells = {name.strip(): rest for name, *rest in (row.strip("|").split("|") for row in rows[1:])}
    assert list(cells) == [SCRIPT, TORCHDISTILL, PROJECT]
    assert cells[SCRIPT][3].strip() == "1.50 (1.50 to 1.50)"
    assert cells[PROJECT][0].strip() == "9"  # lines of the recipe
    low, high = map(float, re.search(r"\((\S+) to (\S+)\)", cells[SCRIPT][5].replace("−", "-")).groups())
    assert 6 < low < 10 < high < 14
    low, high = map(float, re.search(r"\((\S+) to (\S+)\)", cells[TORCHDISTILL][5].replace("−", "-")).groups())
    assert low < 0 < high


def test_finished_runs_are_kept_and_not_made_again(tmp_path):
    assert same_job.load(tmp_path / "runs.json") == []
    run = Run(SCRIPT, 3, 20.5, 30.0, np.array([True, False, True]))
    same_job.save(tmp_path / "runs.json", [run])
    (again,) = same_job.load(tmp_path / "runs.json")
    assert (again.variant, again.seed, again.seconds, again.accuracy) == (SCRIPT, 3, 20.5, pytest.approx(2 / 3))


def test_each_seed_begins_with_another_variant():
    assert [same_job.in_turn(["a", "b", "c"], seed)[0] for seed in range(4)] == ["a", "b", "c", "a"]


def test_two_seeds_have_no_interval():
    right = np.array([True, False, True, True])
    runs = [Run(variant, seed, 10.0, 1.0, right) for seed in range(2) for variant in (SCRIPT, PROJECT)]
    row = next(line for line in report.text(runs, "a machine").splitlines() if line.startswith(f"| {SCRIPT}"))
    assert [cell.strip() for cell in row.strip("|").split("|")][-2:] == ["75.0 %", "+0.0"]
