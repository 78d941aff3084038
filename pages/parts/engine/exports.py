"""Networks of a run as files for other programs, and what deploying them costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pages.parts.engine import process
from pages.parts.engine.guards import operators, visitors
from pages.parts.roles import role as roles
from pages.parts.roles import visitors as watching

if TYPE_CHECKING:
    from kdcore.export.networks.processes import Exported


@operators("export networks")
def export_network(run_id: str, network: str, kind: str, licence: str = "unknown") -> Exported:
    """A network as ONNX, ONNX INT8 or a folder, to download; nothing stays on the server. Takes seconds. Raises UserError."""
    from kdcore.export.networks import processes

    return processes.export(process.process_runner().store, run_id, network, kind, licence)


@operators("compare networks for deployment")
def measure_deployment(run_id: str) -> None:
    """Measure what deploying the networks of a run costs; the table is stored with it. Takes a minute. Raises UserError."""
    from kdcore.export.networks import processes

    processes.deploy(process.process_runner().store, run_id)


@visitors
def deployment(run_id: str) -> dict[str, Any] | None:
    """The table that was measured last, see `deploy_table.Table`; None where there is none. A visitor's names no path."""
    from kdcore.export.networks import processes

    found = processes.table(process.process_runner().store, run_id)
    return found if roles.is_operator() or found is None else dict(watching.without_paths(found))
