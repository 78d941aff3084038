"""The predictions of a finished run's test images, as far as they are those of the run."""

import numpy as np

from kdcore.store.state import RunState


def are_predictions(found: dict[str, np.ndarray], state: RunState) -> bool:
    """Whether arrays are those of the run's test images: of its networks, its classes, and as many as it was measured on."""
    networks = [name for name in ("teacher", "student", "twin") if name in state.results]
    if set(found) != {"targets", *networks} or "student" not in networks:
        return False
    count = state.results["student"].get("count", len(found["targets"]) if found["targets"].ndim else 0)
    return all(
        array.shape == (count,) and array.dtype.kind in "iu" and array.size
        and array.min() >= 0 and array.max() < len(state.classes)
        for array in found.values()
    )  # fmt: skip
