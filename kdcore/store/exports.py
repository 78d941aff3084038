"""Runs as files for other programs: the curves of several runs as CSV or Parquet, their results as a LaTeX table."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from kdcore.errors import UserError
from kdcore.results.comparison import latex, summarise_all
from kdcore.store.runs import Store

Table = dict[str, Any]


def curves_csv(store: Store, run_ids: Sequence[str]) -> str:
    """All series of one or several runs as CSV: a row for each run and step, empty where nothing was measured."""
    tables = [table(store, run_id) for run_id in run_ids]
    names = list(dict.fromkeys(name for each in tables for name in each))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    for each in tables:
        empty = np.full(len(each["step"]), np.nan)
        columns = [each.get(name, empty).tolist() for name in names]
        writer.writerows(["" if value != value else value for value in row] for row in zip(*columns, strict=True))
    return text.getvalue()


def curves_parquet(store: Store, run_ids: Sequence[str]) -> bytes:
    """The same as a Parquet file; null where nothing was measured.

    Raises:
        UserError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError("Parquet files need the package pyarrow: pip install pyarrow. CSV needs nothing.") from None
    tables = [pyarrow.table(_nullable(pyarrow, table(store, run_id))) for run_id in run_ids]
    whole = pyarrow.concat_tables(tables, promote_options="default")
    sink = io.BytesIO()
    pyarrow.parquet.write_table(whole, sink, compression="zstd")
    return sink.getvalue()


def table(store: Store, run_id: str) -> Table:
    """A run's series side by side: `run`, `step` and `epoch`, then a column [steps] for each, NaN where it has no value."""
    run, series = store.state(run_id), store.series(run_id)
    steps = np.unique(np.concatenate([np.empty(0, np.int64), *(at for at, _ in series.values())]))
    columns: Table = {"run": np.full(len(steps), run_id), "step": steps.astype(np.int64)}
    columns["epoch"] = steps * (run.epochs / run.steps) if run.steps else np.full(len(steps), np.nan)
    for name, (at, values) in series.items():
        columns[name] = np.full(len(steps), np.nan)
        columns[name][np.searchsorted(steps, at)] = values
    return columns


def latex_table(store: Store, run_ids: Sequence[str]) -> str:
    """The results of finished runs as a LaTeX table: a row for each recipe, over its seeds where there are several.

    Raises:
        UserError: a run is not finished.
    """
    for run_id in run_ids:
        run = store.state(run_id)
        if not run.results:
            raise UserError(
                f"Run {run_id} is {run.status} and has no results on test images yet; a table needs finished runs."
            )
    groups = store.by_recipe(list(run_ids))
    grouped = {run_id for group in groups for run_id in group}
    groups += [[run_id] for run_id in run_ids if run_id not in grouped]  # forks, and seeds that were trained twice
    summaries = summarise_all([[store.outcome(run_id) for run_id in group] for group in groups], list(map(len, groups)))
    names = [store.state(group[0]).name + (f" ({len(group)} seeds)" if len(group) > 1 else "") for group in groups]
    return latex.table(list(zip(names, summaries, strict=True)))


def _nullable(pyarrow: Any, columns: Table) -> Table:
    return {name: pyarrow.array(values, from_pandas=values.dtype.kind == "f") for name, values in columns.items()}
