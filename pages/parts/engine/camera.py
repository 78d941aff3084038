"""Frames of a camera through networks, one map of one pass each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pages.parts.engine import networks, process
from pages.parts.engine.guards import visitors
from pages.parts.roles import quota

if TYPE_CHECKING:
    import numpy as np

    from kdcore.inspection import Glance


@visitors
def camera_frame(pixels: np.ndarray, references: Sequence[str], map_name: str | None) -> list[Glance]:
    """The likeliest class and the map of each network for a frame uint8 [S, S, 3]; counts as the visit's computing.

    Raises UserError: as `kdcore.inspection.Inspector.glance`; NotAllowed where a visitor has used too much.
    """
    networks.known(*references)
    with quota.charged():
        return networks.glance(process.process_runner().store, pixels, references, map_name)
