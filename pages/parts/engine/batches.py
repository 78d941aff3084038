"""The batches of a run's logged steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pages.parts.engine import process
from pages.parts.engine.guards import visitors
from pages.parts.roles import quota

if TYPE_CHECKING:
    from kdcore.inspection.step_batch import StepBatch


@visitors
def batch_of_step(run_id: str, step: int) -> StepBatch:
    """The batch of the logged step nearest to `step`; see `kdcore.inspection.step_batch`. Raises UserError."""
    from kdcore.inspection import step_batch

    with quota.charged():
        return step_batch.batch_of_step(process.process_runner().store, run_id, step)
