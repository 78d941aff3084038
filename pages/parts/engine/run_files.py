"""Runs as files: a report, an export and an import."""

from __future__ import annotations

import io
from collections.abc import Sequence

from kdcore.errors import UserError
from pages.parts.engine import process
from pages.parts.engine.guards import operators

MOST_IN_MEMORY = 500 * 2**20  # bytes of weights in a download


@operators("make reports of runs")
def run_report(run_ids: Sequence[str]) -> str:
    """The HTML page of some runs. Raises UserError."""
    from kdcore.export import report

    return report.page(process.process_runner().store, run_ids)


@operators("export runs")
def export_run(run_id: str, *, weights: bool) -> bytes:
    """The zip file of a run. Raises UserError."""
    from kdcore.export import folder

    store = process.process_runner().store
    if weights and (size := weights_size(run_id)) > MOST_IN_MEMORY:
        raise UserError(
            f"The weights of this run take {size / 2**20:,.0f} MiB, too much for a download. In a terminal: "
            f"python -m kdcore runs export {run_id} run.zip --weights"
        )
    file = io.BytesIO()
    folder.export_run(store, run_id, file, weights=weights)
    return file.getvalue()


@operators("export runs")
def weights_size(run_id: str) -> int:
    """Bytes of a run's checkpoints and snapshots; 0 where it has none."""
    return sum(path.stat().st_size for path in process.process_runner().store.folder(run_id).rglob("*.safetensors"))


@operators("import runs")
def import_run(raw: bytes, name: str) -> str:
    """Add the run of a zip file. Returns its id. Raises UserError."""
    from kdcore.export import folder

    return folder.import_run(process.process_runner().store, io.BytesIO(raw), plain_name=name)
