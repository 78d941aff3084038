"""The heatmaps of a run's pinned images at a moment, checked before anything is drawn of them."""

import numpy as np

from kdcore.errors import UserError
from kdcore.results.comparison import NETWORKS
from kdcore.store import RunState, Store


def read(store: Store, run: RunState, place: int) -> dict[str, np.ndarray]:
    """The arrays of a run's probe as `kdcore.events.ProbeTaken` has them; the first of a run also has the images.

    Raises:
        UserError: the file is damaged, or the arrays do not belong together.
    """
    event = run.probes[place]
    try:
        probe = store.probe(run.id, event["file"])
    except UserError as error:
        raise UserError(f"The maps of step {event['step']} cannot be shown: {error}") from None
    wanted = {"images": (4, "u"), "targets": (1, "iu")} if place == 0 else {}
    for name in NETWORKS:
        if name in probe:
            wanted |= {name: (3, "f"), f"{name}_probabilities": (2, "f")}
    for name, (dimensions, kinds) in wanted.items():
        found = probe.get(name, np.empty(0))
        if found.ndim != dimensions or found.dtype.kind not in kinds or not found.size:
            raise UserError(
                f"The maps of step {event['step']} cannot be shown: {event['file']} has no `{name}` as expected."
            )
    classes = [probe[name].shape[1] for name in wanted if name.endswith("_probabilities")]
    targets = probe["targets"] if place == 0 else np.zeros(1, int)
    if (
        not classes
        or set(classes) != {len(run.classes)}
        or not (0 <= targets.min() <= targets.max() < len(run.classes))
    ):
        raise UserError(f"The maps of step {event['step']} cannot be shown: their classes differ from the run's.")
    if len({len(probe[name]) for name in wanted}) != 1:
        raise UserError(f"The maps of step {event['step']} cannot be shown: they are of different numbers of images.")
    return probe
