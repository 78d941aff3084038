"""`runs csv`, `runs parquet`, `runs latex` and `runs tensorboard`: curves and results for other programs."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kdcore.cli.options import RunId, store, writing
from kdcore.files import atomic
from kdcore.store import event_files, exports


def csv(run_id: RunId, /, *more: RunId) -> int:
    """Print losses and metrics by step as CSV; of several runs with a column for the run."""
    print(exports.curves_csv(store(), [run_id, *more]) if more else store().csv(run_id), end="")
    return 0


def parquet(
    run_id: RunId, /, *more: RunId, out: Annotated[Path, Parameter(help="The file, such as runs.parquet.")]
) -> int:
    """Write losses and metrics by step as a Parquet file, of one or several runs."""
    made = exports.curves_parquet(store(), [run_id, *more])
    with writing(out):
        atomic.write_bytes(out, made)
    print(f"wrote {out}")
    return 0


def latex(run_id: RunId, /, *more: RunId) -> int:
    """Print the results of finished runs as a LaTeX table (booktabs) with intervals, of differences corrected for the number of rows; seeds of a recipe share a row."""
    print(exports.latex_table(store(), [run_id, *more]), end="")
    return 0


def tensorboard(run_id: RunId, folder: Path, /) -> int:
    """Write a run's curves as TensorBoard event files, into FOLDER/ID. Then: tensorboard --logdir FOLDER"""
    print(f"wrote {event_files.convert(store(), run_id, folder)}")
    return 0
