"""Maps of a run's pinned images, as pictures."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from kdcore.export.probes import read
from kdcore.store import RunState, Store
from pages.parts import formatting, palette
from pages.parts.components import pictures

__all__ = ["Cell", "read", "rows"]
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


def _jpeg(pixels: np.ndarray) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "JPEG", quality=88)
    return packed.getvalue()
