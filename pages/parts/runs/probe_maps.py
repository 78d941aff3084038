"""Maps of a run's pinned images, as pictures."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from kdcore.errors import UserError
from kdcore.store import RunState, Store
from pages.parts import formatting, palette
from pages.parts.components import pictures

SIDE = 144  # pixels of a picture


@dataclass(frozen=True)
class Cell:
    """One picture with its caption. jpeg is None where there is no map."""

    jpeg: bytes | None
    caption: str
    right: bool | None = None


def rows(store: Store, run: RunState, place: int, most: int) -> tuple[list[str], list[list[Cell]]]:
    """A probe as a table: the networks' names, and for each pinned image the image and a cell per network.

    Args:
        place: which of the run's probes.

    Raises:
        ValueError: its file, or that of the images, is damaged.
    """
    first, probe = read(store, run, 0), read(store, run, place)
    images, targets = first["images"][:most], first["targets"][:most]
    networks = [name for name in palette.NETWORKS if name in probe]
    densities = {name: pictures.density(probe[name][:most]) for name in networks}
    scale = pictures.scale_for(list(densities.values()))
    table = []
    for i, (image, target) in enumerate(zip(images, targets, strict=True)):
        photo = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        cells = [Cell(_jpeg(photo), run.classes[target])]
        for name in networks:
            probabilities = probe[f"{name}_probabilities"][i].astype(np.float32)
            best = int(probabilities.argmax())
            shown = np.isfinite(probe[name][i]).all()
            cells.append(
                Cell(
                    _jpeg(pictures.over(photo, densities[name][i] / scale)) if shown else None,
                    f"{run.classes[best]} {formatting.percent(probabilities[best], 0).replace(' ', formatting.HARD)}"
                    if np.isfinite(probabilities).all()
                    else "no prediction",
                    best == target,
                )
            )
        table.append(cells)
    return networks, table


def read(store: Store, run: RunState, place: int) -> dict[str, np.ndarray]:
    """The arrays of a run's probe as `kdcore.events.ProbeTaken` has them; the first of a run also has the images.

    Raises:
        ValueError: the file is damaged, or the arrays do not belong together.
    """
    event = run.probes[place]
    try:
        probe = store.probe(run.id, event["file"])
    except UserError as error:
        raise UserError(f"The maps of step {event['step']} cannot be shown: {error}") from None
    wanted = {"images": (4, "u"), "targets": (1, "iu")} if place == 0 else {}
    for name in palette.NETWORKS:
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


def _jpeg(pixels: np.ndarray) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "JPEG", quality=88)
    return packed.getvalue()
