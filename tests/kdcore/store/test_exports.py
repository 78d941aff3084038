"""Curves of several runs as CSV and Parquet, and their results as a LaTeX table."""

import csv
import io

import pyarrow.parquet
import pytest

from kdcore import events as ev
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe
from kdcore.store import Store, exports


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "runs")


def trained(
    store: Store, name: str, *, losses: tuple[float, ...] = (4.0, 2.0), finished: bool = True, seed: int = 0
) -> str:
    recipe = Recipe(name=name, data=DataRecipe(), student=ModelRecipe(model="tiny"), twin=True, epochs=2, seeds=(seed,))
    run_id = store.create(recipe)
    with store.writer(run_id) as writer:
        writer.append(ev.RunStarted(0, 4, 2, "cpu", "fp32", ("a", "b"), 64, 64, {"student": 10}))
        for step, loss in enumerate(losses, start=1):
            writer.append(ev.StepEnded(step, step / 2, {"student": {"total": loss}}, {}, {}, {}, 1e-3, 100.0, {}))
        writer.append(ev.Evaluated(len(losses), len(losses) / 2, "validation", {"student": {"top1": 0.5, "nll": 1.0}}))
        if finished:
            network = {"top1": 0.9, "low": 0.88, "high": 0.92, "count": 1000}
            difference = {"top1": 0.1, "low": 0.08, "high": 0.12, "only_student": 130, "only_twin": 30}
            results = {"student": network, "twin": {**network, "top1": 0.8}, "difference": difference}
            writer.append(ev.RunFinished(4, results, 1.0))
    return run_id


def test_a_row_for_each_run_and_step_and_nothing_where_nothing_was_measured(store):
    one, two = trained(store, "one"), trained(store, "two", losses=(3.0,))
    rows = list(csv.DictReader(io.StringIO(exports.curves_csv(store, [one, two]))))
    shown = [(row["run"], row["step"], row["epoch"], row["loss/student/total"], row["top1/student"]) for row in rows]
    assert shown == [(one, "1", "0.5", "4.0", ""), (one, "2", "1.0", "2.0", "0.5"), (two, "1", "0.5", "3.0", "0.5")]


def test_parquet_has_the_same_with_types(store):
    one, two = trained(store, "one"), trained(store, "two", losses=(3.0,))
    found = pyarrow.parquet.read_table(io.BytesIO(exports.curves_parquet(store, [one, two]))).to_pydict()
    assert found["run"] == [one, one, two]
    assert found["step"] == [1, 2, 1]
    assert found["top1/student"] == [None, 0.5, 0.5]


def test_a_table_has_a_row_for_each_recipe_with_intervals(store):
    one, two = trained(store, "kd_0.9 & 50 %"), trained(store, "plain")
    made = exports.latex_table(store, [one, two])
    assert r"Run & Student (\%) & Twin (\%) & Student $-$ twin (pp) \\" in made
    assert r"kd\_0.9 \& 50 \% & 90.0 [88.0, 92.0] & 80.0 [88.0, 92.0] & $+10.0$ [$+7." in made
    assert made.count(r" \\") == 3
    assert made.splitlines()[-1].startswith("% plain: +10.0 percentage points (95 % interval")


def test_a_run_without_results_has_no_row(store):
    run_id = trained(store, "one", finished=False)
    with pytest.raises(
        UserError, match=f"Run {run_id} is interrupted and has no results on test images yet; a table needs"
    ):
        exports.latex_table(store, [run_id])
